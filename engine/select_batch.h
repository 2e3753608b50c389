// Pool then select: from a batch and its scores to the batch of what was chosen.

#ifndef SUBSET_ENGINE_SELECT_BATCH_H_
#define SUBSET_ENGINE_SELECT_BATCH_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/epoch.h"
#include "sampling/columns.h"
#include "sampling/select_rule.h"
#include "subset/v1/training.pb.h"

namespace subset {

// What a request is answered by.
struct SelectTerms {
  sampling::SelectRule rule;  // resolved
  // Subtracted from the scores where there is one; no chunks: nothing is.
  sampling::ColumnView irreducible;
};

// Checks what of a request does not depend on its pool. Fails with kInvalidArgument naming
// "scores", "history" or a field of the rule.
absl::Status CheckSelect(const v1::SelectRequest& request);

// Returns the request's own rule, or the one of the pool's sampler as it is at the pool's step.
// Fails with kInvalidArgument naming "rule" where neither has one. The result reads the epoch's
// columns. REQUIRES: CheckSelect passed.
absl::StatusOr<SelectTerms> TermsOf(const v1::SelectRequest& request, const Epoch& epoch,
                                    uint64_t position, uint32_t global_batch_size);

// Returns the batch of what is chosen from `pool`, which was drawn for the request. Fails with
// kInvalidArgument naming "scores", "history" or a number of the rule. O(B log B).
absl::StatusOr<v1::Batch> SelectFrom(const v1::Batch& pool, const v1::SelectRequest& request,
                                     const SelectTerms& terms, uint64_t seed);

}  // namespace subset

#endif  // SUBSET_ENGINE_SELECT_BATCH_H_
