// From scores to the leaves of the weight index: score^alpha on a scale that is a power of two.

#ifndef SUBSET_SAMPLING_LEAF_SCALE_H_
#define SUBSET_SAMPLING_LEAF_SCALE_H_

#include <algorithm>
#include <cstdint>

#include "sampling/columns.h"
#include "sampling/leaf.h"
#include "sampling/spec.h"

namespace subset::sampling {

// A value; immutable; thread-safe.
//
// The scale puts the mean weight into [2^18, 2^19): later scores have room for 256 times the mean
// above, and keep a leaf's full precision down to a 256th of it. Where the largest weight does not
// fit below 2^27 the mean moves down, as far as 2^11; what is then still larger is clamped.
class LeafScale {
 public:
  // What the scale needs to be stored.
  struct Parameters {
    int32_t score_exponent = 0;  // scores are multiplied by 2^score_exponent, then raised to alpha,
    int32_t weight_exponent = 0;  // then multiplied by 2^weight_exponent
    double unscored = 1;          // the score that unscored samples take
  };

  LeafScale(double alpha, const Parameters& parameters);

  // Fits the scale to n scores (unscored ones by `guard`; negative ones count as 0). `for_each(f)`
  // calls f(double score) with each one that is scored, in the same order every time. Where nothing
  // is scored, every sample takes the score 1, unless a prior is set. *any_positive says whether
  // any score is positive.
  template <typename ForEach>
  static LeafScale Fit(ForEach for_each, uint64_t n, double alpha, const Guard& guard,
                       bool* any_positive);
  // The same for the scores of a whole dataset (NaN: unscored). O(N).
  static LeafScale Fit(const ScoreView& scores, uint64_t num_samples, double alpha,
                       const Guard& guard, bool* any_positive);

  const Parameters& parameters() const { return parameters_; }

  // Returns the leaf of a score (NaN: unscored). A positive score never has leaf 0. Sets *clamped
  // where the weight is outside the range of leaves: above the largest, or positive below a half.
  Leaf Encode(double score, bool* clamped) const;

 private:
  // What the scores look like.
  struct Summary {
    uint64_t scored = 0;
    double sum = 0;
    double maximum = 0;
  };

  static double UnscoredScore(const Guard& guard, const Summary& summary);
  // With the score exponent only, so that powers can be summed.
  static LeafScale Unit(const Summary& summary, uint64_t n, double alpha, const Guard& guard);
  // Sets the weight exponent from the sum of the powers of the scored.
  LeafScale WithMean(const Summary& summary, uint64_t n, double sum) const;

  // Returns (score * 2^score_exponent)^alpha, kept within 2^-1000 .. 2^1000; 0 for scores not > 0.
  double Power(double score) const;

  double alpha_;
  Parameters parameters_;
  double score_factor_;
  double weight_factor_;
  double least_base_;  // bases whose powers are 2^-1000 and 2^1000
  double largest_base_;
};

template <typename ForEach>
LeafScale LeafScale::Fit(ForEach for_each, uint64_t n, double alpha, const Guard& guard,
                         bool* any_positive) {
  Summary summary;
  for_each([&](double score) {
    score = std::max(0.0, score);
    ++summary.scored;
    summary.sum += score;
    summary.maximum = std::max(summary.maximum, score);
  });
  *any_positive = summary.maximum > 0;
  const LeafScale unit = Unit(summary, n, alpha, guard);
  double sum = 0;
  if (alpha == 1) {
    sum = summary.sum * unit.score_factor_;
  } else {
    for_each([&](double score) { sum += unit.Power(score); });
  }
  return unit.WithMean(summary, n, sum);
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_SCALE_H_
