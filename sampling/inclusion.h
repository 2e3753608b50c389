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
// one for all. v >= 0. A pass for each time that something new is capped, a few in practice; in
// parts by the executor (null: the calling thread).
double WaterLevel(absl::Span<const double> values, absl::Span<const double> caps, double total,
                  const Executor* executor = nullptr);

// min(cap, c v), where c may be infinite and 0 v is 0.
double AtLevel(double value, double cap, double level);

// Whole numbers with these expectations: returns targets rounded down or up, by one keyed offset,
// so that every partial sum is less than one away from its own. A target within 1e-12 (relative)
// of a whole number is that number; Snapped says so.
double Snapped(double target);
std::vector<uint64_t> RoundTargets(absl::Span<const double> targets, const PhiloxKey& key);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_INCLUSION_H_
