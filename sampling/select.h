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
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/philox.h"

namespace subset::sampling {

inline constexpr uint32_t kMaxPool = 1 << 20;

struct SelectRule {
  enum class Kind {
    // The `count` largest scores, ties by a keyed hash. Online hard-example mining; RHO-LOSS
    // (Mindermann et al. 2022) where scores are loss - irreducible loss. Factors 1, biased.
    kTop,
    // The `count` - `uniform` largest and `uniform` of the others, chosen uniformly. With b1 + b2 =
    // b of B: factors b / B and (b / B) (B - b1) / b2, unbiased.
    kTopAndUniform,
    // `count` independent draws in proportion to the score^alpha (Katharopoulos & Fleuret 2018),
    // over a floor: q = (1 - floor) v / V + floor / B; factors 1 / (B q). Unbiased where every q is
    // positive. All scores 0: uniform.
    kProportional,
    // A coin for each candidate, with max(least, percentile^beta); percentile = (how many of the
    // history are smaller + half of those equal) / how many they are (Selective-Backprop, Jiang et
    // al. 2019). Without a history, the pool is its own. m selected: factors m / (B pi), unbiased
    // where every pi is positive; none selected counts as a batch of mean 0.
    kKeepProbability,
    // max(1, floor(keep B)) candidates, by successive draws without replacement in proportion to
    // ((rank + .5) / B)^(1/keep - 1), smallest first (Composer's Selective-Backprop). The inclusion
    // probabilities have no closed form, so there are none; factors 1, biased.
    kKeepFraction,
  };
  Kind kind = Kind::kTop;
  uint32_t count = 0;    // kTop, kTopAndUniform, kProportional: [1, kMaxPool] and at most the pool
  uint32_t uniform = 0;  // kTopAndUniform: [1, count - 1]
  double alpha = 1;      // kProportional: (0, 16]
  double floor = 0;      // kProportional: [0, 1]
  double beta = 1;       // kKeepProbability: (0, 16]
  double least = 0;      // kKeepProbability: [0, 1]
  double keep = 1;       // kKeepFraction: (0, 1]
};

// Puts fields of kinds that were not chosen back to their defaults and checks the others. Returns
// kInvalidArgument naming the field ("select.count"), the value and the bound.
absl::Status ResolveSelectRule(SelectRule* rule);

struct Selection {
  std::vector<uint32_t> chosen;  // places in the pool; kProportional may repeat them
  // Of each chosen place, given the pool: a draw's for kProportional, else of being included. Empty
  // for kKeepFraction.
  std::vector<double> probabilities;
  std::vector<float> factors;
  bool unbiased = false;  // for the pool's mean
  // Of the scores: see below. Set for kProportional.
  double variance_ratio = 1;
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

// sqrt(B sum of squares) of the shares v / V, in [1, sqrt(B)]: how much variance a draw in
// proportion to v saves over a uniform one (Katharopoulos & Fleuret's tau). 1 where all are 0.
double VarianceRatio(absl::Span<const double> values);

// The ratio above which scoring a pool to select `count` of it pays off, with a backward pass as
// dear as two forward ones: (B + 3 b) / (3 b).
double VarianceRatioThreshold(uint64_t pool, uint64_t count);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELECT_H_
