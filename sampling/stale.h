// Which scores are oldest.

#ifndef SUBSET_SAMPLING_STALE_H_
#define SUBSET_SAMPLING_STALE_H_

#include <cstdint>
#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Slots of the population, by stratum. A value.
struct StaleSlots {
  StaleSlots() : members(0) {}
  StaleSlots(SampleSet members, const Population& population);

  bool empty() const { return slots.empty(); }
  uint64_t count(size_t g) const { return offsets[g + 1] - offsets[g]; }

  SampleSet members;              // by slot
  std::vector<uint64_t> offsets;  // strata + 1
  std::vector<uint32_t> slots;    // ascending; stratum g has slots[offsets[g]..offsets[g+1])
};

// Returns for each stratum the max(1, floor(guard.stale_fraction n_g)) slots whose score was
// reported longest ago, by the reported column "<score>.step": those without a score first, then
// those without a step, which came before steps were kept; ties by a keyed hash. O(N).
StaleSlots StalestSlots(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STALE_H_
