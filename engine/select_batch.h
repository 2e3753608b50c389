// Pool then select: from a batch and its scores to the batch of what was chosen.

#ifndef SUBSET_ENGINE_SELECT_BATCH_H_
#define SUBSET_ENGINE_SELECT_BATCH_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sampling/select.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Checks what of a request does not depend on the pool and returns its rule. Fails with
// kInvalidArgument naming the field.
absl::StatusOr<sampling::SelectRule> ReadSelectRule(const v1::SelectRequest& request);

// Returns the batch of what `rule` chooses from `pool`, which was drawn for the request. Fails with
// kInvalidArgument naming "scores", "history" or a number of the rule. O(B log B).
absl::StatusOr<v1::Batch> SelectFrom(const v1::Batch& pool, const v1::SelectRequest& request,
                                     const sampling::SelectRule& rule, uint64_t seed);

}  // namespace subset

#endif  // SUBSET_ENGINE_SELECT_BATCH_H_
