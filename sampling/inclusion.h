// Inclusion probabilities of draws without replacement: pi_i = min(1, c v_i) with a given sum.

#ifndef SUBSET_SAMPLING_INCLUSION_H_
#define SUBSET_SAMPLING_INCLUSION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/philox.h"

namespace subset::sampling {

// Returns c such that the sum of min(cap, c v) over all v is `total`; infinity where that takes
// every positive v to its cap, 0 where nothing is positive or asked for. `caps`: one for each v, or
// one for all. v >= 0. A pass for each time that something new is capped, a few in practice.
double WaterLevel(absl::Span<const double> values, absl::Span<const double> caps, double total);

// min(cap, c v), where c may be infinite and 0 v is 0.
double AtLevel(double value, double cap, double level);

// Whole numbers with these expectations: returns targets rounded down or up, by one keyed offset,
// so that every partial sum is less than one away from its own. A target within 1e-12 (relative)
// of a whole number is that number; Snapped says so.
double Snapped(double target);
std::vector<uint64_t> RoundTargets(absl::Span<const double> targets, const PhiloxKey& key);

// Systematic sampling in whole numbers: v_i in units of 2^-62, so that probabilities are exact
// fractions. Immutable; thread-safe.
class SystematicLaw {
 public:
  // `values` >= 0 sum to 1 within rounding. They are read during calls only and must be the same in
  // all of them. A few passes, by the executor; null: by the calling thread.
  SystematicLaw(absl::Span<const double> values, uint64_t count,
                const Executor* executor = nullptr);

  // How many are drawn: `count`, or all that are positive where these are fewer.
  uint64_t count() const { return certain_ + count_; }

  // min(1, c v); a positive v has at least one unit.
  double Probability(double value) const;

  // Appends offset + i for each i that is drawn, in a keyed order: count() distinct ones, i with
  // Probability(values[i]) exactly. O(n), at random places of `values`; takes room for one more.
  void Draw(absl::Span<const double> values, const PhiloxKey& order, const PhiloxKey& point,
            uint32_t offset, std::vector<uint32_t>* drawn) const;

 private:
  uint64_t LeastCertain() const;

  // Constant after construction.
  uint64_t certain_ = 0;  // how many have probability 1
  uint64_t count_ = 0;    // drawn from the others
  uint64_t total_ = 0;    // units of the others; 0: everything positive is certain
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_INCLUSION_H_
