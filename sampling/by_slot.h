// Values of samples in the order of the slots of a population.

#ifndef SUBSET_SAMPLING_BY_SLOT_H_
#define SUBSET_SAMPLING_BY_SLOT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sampling/population.h"

namespace subset::sampling {

// Writes out[slot] = value(sample of the slot) for every slot. The members of a stratum lie all
// over the dataset: read stratum by stratum, each would miss the cache. So all strata are read from
// one part of the dataset that fits into it, then from the next.
template <typename ValueAt, typename T>
void GatherBySlot(const Population& population, ValueAt value, T* out) {
  if (population.strata == nullptr) {
    for (uint64_t i = 0; i < population.num_samples; ++i) out[i] = value(static_cast<uint32_t>(i));
    return;
  }
  constexpr uint64_t kMembers = 32;  // that a stratum has in a part, so that going to it pays
  const Strata& strata = *population.strata;
  const uint32_t* const members = strata.members.data();
  const uint64_t part = std::max(kChunkSamples, kMembers * strata.values.size());
  std::vector<uint64_t> next(strata.offsets.begin(), strata.offsets.end() - 1);
  for (uint64_t first = 0; first < population.num_samples; first += part) {
    for (size_t g = 0; g < next.size(); ++g) {
      const uint64_t end = strata.offsets[g + 1];
      uint64_t slot = next[g];
      for (; slot < end && members[slot] < first + part; ++slot) out[slot] = value(members[slot]);
      next[g] = slot;
    }
  }
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BY_SLOT_H_
