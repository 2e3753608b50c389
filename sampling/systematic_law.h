// Systematic sampling in whole numbers: inclusion probabilities pi_i = min(1, c v_i) of a given
// sum, for the integer weights v_i of leaves (leaf.h), and the points that draw with them.

#ifndef SUBSET_SAMPLING_SYSTEMATIC_LAW_H_
#define SUBSET_SAMPLING_SYSTEMATIC_LAW_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/leaf.h"

namespace subset::sampling {

struct LeafCount {
  uint64_t leaves = 0;
  uint32_t weight = 0;  // of each, positive
};

// Returns how many leaves there are of which positive weight: of many leaves one entry a weight, in
// ascending order, of few one a leaf. O(n), by the executor; null: by the calling thread.
std::vector<LeafCount> CountLeaves(absl::Span<const Leaf> leaves, const Executor* executor);

// A value; immutable; thread-safe.
//
// Whatever would be above 1 is certain; the others share what is left, until none is above 1. Then
// pi = count v / total of the others is below 1, an exact fraction.
class SystematicLaw {
 public:
  SystematicLaw() = default;  // draws nothing

  // `count` are drawn, or all leaves where there are no more. A few passes over the entries.
  SystematicLaw(absl::Span<const LeafCount> leaves, uint64_t count);

  uint64_t certain() const { return certain_; }              // leaves with pi = 1
  uint32_t least_certain() const { return least_certain_; }  // those of this weight and above
  uint64_t others() const { return others_; }                // leaves with a smaller pi > 0,
  uint64_t count() const { return count_; }                  // how many of them are drawn
  uint64_t total() const { return total_; }                  // and the sum of their weights

  // pi for v below least_certain() is v times this.
  double slope() const { return slope_; }
  double Probability(uint32_t weight) const {
    if (weight >= least_certain_) return weight > 0 ? 1 : 0;
    return slope_ * weight;
  }

 private:
  uint64_t certain_ = 0;
  uint64_t others_ = 0;
  uint64_t count_ = 0;
  uint64_t total_ = 0;
  uint32_t least_certain_ = std::numeric_limits<uint32_t>::max();
  double slope_ = 0;
};

// The points of one draw among what is not certain, whose weights lie one after the other: what
// holds a point is drawn. Points are total / count apart, which is more than any weight, so all are
// in different ones. A value.
class SystematicPoints {
 public:
  SystematicPoints() = default;
  // `start` uniform in [0, total). REQUIRES: law.count() > 0.
  SystematicPoints(const SystematicLaw& law, uint64_t start)
      : count_(law.count()),
        start_quotient_(start / count_),
        start_remainder_(start % count_),
        step_quotient_(law.total() / count_),
        step_remainder_(law.total() % count_) {}

  // floor((start + k total) / count), k < count: item i, at [C_{i-1}, C_i), holds it exactly where
  // (start + k total) is in [count C_{i-1}, count C_i).
  uint64_t At(
      uint64_t k) const {  // nothing is above 2^64: remainders and k are below count <= 2^32
    return start_quotient_ + k * step_quotient_ + (start_remainder_ + k * step_remainder_) / count_;
  }

 private:
  uint64_t count_ = 1;
  uint64_t start_quotient_ = 0;
  uint64_t start_remainder_ = 0;
  uint64_t step_quotient_ = 0;
  uint64_t step_remainder_ = 0;
};

// The law of a stratum whose count is a target rounded down or up: mu is the mean over that. A
// value; immutable; thread-safe.
class RoundedLaw {
 public:
  // What is expected of all leaves: the same to the bit in whatever order they were counted.
  struct Expectation {
    double least = std::numeric_limits<double>::infinity();  // mu of one
    double largest = 0;
    double sum = 0;  // of mu
    double squares = 0;
    uint64_t leaves = 0;
  };

  RoundedLaw() = default;
  RoundedLaw(absl::Span<const LeafCount> leaves, double target);

  // Returns the law for a count that is the target rounded down or up.
  const SystematicLaw& For(uint64_t count) const { return count == least_ ? low_ : high_; }

  // mu of a leaf of this weight.
  double Expected(uint32_t weight) const {
    const double p = low_.Probability(weight);
    return up_ > 0 ? (1 - up_) * p + up_ * high_.Probability(weight) : p;
  }
  Expectation Expect(absl::Span<const LeafCount> leaves) const;

 private:
  uint64_t least_ = 0;  // the target rounded down
  double up_ = 0;       // how often it is rounded up
  SystematicLaw low_;
  SystematicLaw high_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SYSTEMATIC_LAW_H_
