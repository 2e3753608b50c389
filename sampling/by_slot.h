// Values of samples in the order of the slots of a population.

#ifndef SUBSET_SAMPLING_BY_SLOT_H_
#define SUBSET_SAMPLING_BY_SLOT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sampling/population.h"

namespace subset::sampling {

// Writes out[k] = value(members[k]) for all members of the strata of num_samples samples. The
// members of a stratum lie all over the dataset: read stratum by stratum, each would miss the
// cache. So all strata are read from one part of the dataset that fits into it, then from the next;
// and where a stratum goes on is asked for while others are read.
template <typename ValueAt, typename T>
void GatherByStratum(const Strata& strata, uint64_t num_samples, ValueAt value, T* out) {
  constexpr uint64_t kPart = 4 * kChunkSamples;
  constexpr uint64_t kMembers = 32;  // that a stratum has in a part, so that going to it pays
  constexpr size_t kAhead = 4;
  const uint32_t* const members = strata.members.data();
  const size_t num_strata = strata.values.size();
  const uint64_t part = std::max(kPart, kMembers * num_strata);
  std::vector<uint64_t> next(strata.offsets.begin(), strata.offsets.end() - 1);
  for (uint64_t first = 0; first < num_samples; first += part) {
    for (size_t g = 0; g < num_strata; ++g) {
      if (g + kAhead < num_strata) {
        __builtin_prefetch(members + next[g + kAhead]);
        __builtin_prefetch(out + next[g + kAhead], 1);
      }
      const uint64_t end = strata.offsets[g + 1];
      uint64_t k = next[g];
      for (; k < end && members[k] < first + part; ++k) out[k] = value(members[k]);
      next[g] = k;
    }
  }
}

// Writes out[slot] = value(sample of the slot) for every slot of the population.
template <typename ValueAt, typename T>
void GatherBySlot(const Population& population, ValueAt value, T* out) {
  if (population.strata != nullptr) {
    return GatherByStratum(*population.strata, population.num_samples, value, out);
  }
  for (uint64_t i = 0; i < population.num_samples; ++i) out[i] = value(static_cast<uint32_t>(i));
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BY_SLOT_H_
