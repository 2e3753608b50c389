// From scores to the leaves of the weight index: score^alpha on a scale that is a power of two.

#ifndef SUBSET_SAMPLING_LEAF_SCALE_H_
#define SUBSET_SAMPLING_LEAF_SCALE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/power_law.h"
#include "sampling/spec.h"

namespace subset::sampling {

// What the scores of a scale look like; negative ones count as 0.
struct ScoreSummary {
  uint64_t samples = 0;
  double largest_scored = 0;
  double largest = 0;   // of all, the unscored included
  double unscored = 1;  // the score that they take
};

// Of n scores. Unscored samples take what `guard` says; where nothing is scored, the score 1,
// unless a prior is set.
ScoreSummary Summarise(const ScoreSums& sums, uint64_t n, const Guard& guard);

// A value; immutable; thread-safe.
//
// The scale puts the mean weight into [2^18, 2^19): later scores have room for 256 times the mean
// above, and keep a leaf's full precision down to a 256th of it. Where the largest weight does not
// fit below 2^27 the mean moves down, as far as 2^6: small weights are then whole numbers of units
// below a hundredth of the mean, which is far nearer to what was asked for than a largest weight
// cut off. What is still larger, 2^20 times the mean and more, is clamped: it is drawn, and
// reported, as the largest leaf.
class LeafScale {
 public:
  // What the scale needs to be stored.
  struct Parameters {
    int32_t score_exponent = 0;  // scores are multiplied by 2^score_exponent, then raised to alpha,
    int32_t weight_exponent = 0;  // then multiplied by 2^weight_exponent
    double unscored = 1;          // the score that unscored samples take
  };

  LeafScale(double alpha, const Parameters& parameters);

  // Fits the scale to scores by their summary and the sum of the powers of all (SumPowers of the
  // scale for 0 gives it), or a guess of it.
  LeafScale(double alpha, const ScoreSummary& summary, double powers);

  // Whether that sum surely gives this scale, or would if score_exponent were this one, seen from
  // the total weight of the leaves which this scale has given those scores.
  bool IsThatOf(const ScoreSummary& summary, uint64_t total) const;

  const Parameters& parameters() const { return parameters_; }

  // Returns the leaf of a score (NaN: unscored). A positive score never has leaf 0. Sets *clamped
  // where the weight is outside the range of leaves: above the largest, or positive below a half.
  Leaf Encode(double score, bool* clamped) const;

  // The same for many scores: returns how many weights were outside. Spans of the same length.
  uint64_t Encode(absl::Span<const double> scores, absl::Span<Leaf> leaves) const {
    return EncodeLeaves(law_, scores, leaves);
  }
  uint64_t Encode(absl::Span<const float> scores, absl::Span<Leaf> leaves) const {
    return EncodeLeaves(quick_, scores, leaves);
  }

  // Returns the sum of the powers of scores, the same on every machine.
  double SumPowers(absl::Span<const double> scores) const {
    return subset::sampling::SumPowers(law_, scores);
  }
  double SumPowers(absl::Span<const float> scores) const {
    return subset::sampling::SumPowers(law_, scores);
  }

 private:
  Parameters parameters_;
  PowerLaw law_;
  QuickLaw quick_;
};

// The scale of n values, raised to no power and none of them missing, by their sum and the largest.
LeafScale ScaleOfValues(uint64_t n, double sum, double largest);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_SCALE_H_
