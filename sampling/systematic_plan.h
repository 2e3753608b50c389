// Plans of draw.kind SYSTEMATIC: so many distinct samples of each stratum, each with its exact
// inclusion probability, found one by one in a weight index.
//
// The leaves of each stratum lie in a keyed random order of its members, so that any two of them
// can be drawn together; what is certain is kept apart, and has leaf 0 in the index. Position p is,
// by a keyed order of all positions, the k-th draw of a stratum: one that is certain, or whoever
// holds the k-th point (systematic_law.h).

#ifndef SUBSET_SAMPLING_SYSTEMATIC_PLAN_H_
#define SUBSET_SAMPLING_SYSTEMATIC_PLAN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Stratum g has StratumTargets (drawn_slots.h) slots, rounded down or up by key; inside it pi =
// min(1, c v), v being the integer weights of leaves in proportion to a_i (inner_draw.h), and mu is
// the mean of pi over that rounding. 2.3 bytes a sample of the population, 6 more where it is
// certain, 2 more in strata of up to 65,536. O(N), by the executor; a position costs some tens of
// nanoseconds. Fails as EpochSlots.
absl::StatusOr<std::unique_ptr<EpochPlan>> BuildSystematicPlan(const PlanInput& input,
                                                               const Population& population);

// Rebuilds a stored plan. Little-endian: u32 form (0x53593031), u32 fell back to uniform, u64
// num_samples, u64 epoch, u64 samples of the population, u64 strata, u64 clamped leaves, then u16
// leaves in their order; u64 checksum. Returns kDataLoss where the bytes are damaged or do not fit.
absl::StatusOr<std::unique_ptr<EpochPlan>> ParseSystematicPlan(const PlanInput& input,
                                                               const Population& population,
                                                               absl::string_view serialized);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SYSTEMATIC_PLAN_H_
