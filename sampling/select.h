// Pool, then select: which candidates of a pool a worker trains on, once it has scored them with
// the current model, and with what weight.
//
// The weights are factors on the candidates' own: for fixed scores, the mean of factor * f over
// what is selected has the mean of f over the pool as its expectation, exactly, where
// `unbiased` says so. Two phases multiply, so factor times the weight of the pool's draw is as
// unbiased as that draw.

#ifndef SUBSET_SAMPLING_SELECT_H_
#define SUBSET_SAMPLING_SELECT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/philox.h"
#include "sampling/select_rule.h"

namespace subset::sampling {

struct Selection {
  std::vector<uint32_t> chosen;  // places in the pool; kProportional may repeat them
  // Of each chosen place, given the pool: a draw's for kProportional, else of being included. Empty
  // for kKeepFraction.
  std::vector<double> probabilities;
  std::vector<float> factors;
  bool unbiased = false;  // for the pool's mean
};

// Selects from a pool by the scores of its candidates. A pure function: `position` is the first
// position of the pool in its epoch. `history`: sorted scores for kKeepProbability, or empty.
// Returns kInvalidArgument naming "scores[i]" where one is not finite, or negative for
// kProportional; "scores" for an empty pool; "select.count" where the pool is smaller; "history"
// where it is not sorted, not finite or of no use. O(B log B).
//
// REQUIRES: ResolveSelectRule passed.
absl::StatusOr<Selection> Select(const SelectRule& rule, const StreamKey& key, uint64_t position,
                                 absl::Span<const float> scores,
                                 absl::Span<const float> history = {});

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELECT_H_
