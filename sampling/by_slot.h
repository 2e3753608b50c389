// Values of samples in the order of the slots of a population.

#ifndef SUBSET_SAMPLING_BY_SLOT_H_
#define SUBSET_SAMPLING_BY_SLOT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "sampling/columns.h"
#include "sampling/huge_array.h"
#include "sampling/population.h"

namespace subset::sampling {

// Writes the value of members[k] to out[k], for all members of the strata of num_samples samples.
// read(first, values) writes the values of samples first, first + 1, ...; first begins a chunk.
//
// The members of a stratum lie all over the dataset: read stratum by stratum, each would miss the
// cache. So a part of the dataset that fits into it is read in order, and from there all strata;
// then the next. Where a stratum goes on is asked for while others are read.
template <typename Read, typename T>
void GatherByStratum(const Strata& strata, uint64_t num_samples, Read read, T* out) {
  constexpr uint64_t kPart = 2 * kChunkSamples;
  constexpr uint64_t kMembers = 32;  // that a stratum has in a part, so that going to it pays
  constexpr size_t kAhead = 4;
  const uint32_t* const members = strata.members.data();
  const size_t num_strata = strata.values.size();
  const uint64_t chunks = kMembers * num_strata / kChunkSamples + 1;
  const uint64_t part = std::max(kPart, chunks * kChunkSamples);
  HugeArray<T> values(std::min(part, num_samples));
  std::vector<uint64_t> next(strata.offsets.begin(), strata.offsets.end() - 1);
  for (uint64_t first = 0; first < num_samples; first += part) {
    const uint64_t last = std::min(first + part, num_samples);
    read(first, absl::MakeSpan(values.data(), last - first));
    for (size_t g = 0; g < num_strata; ++g) {
      if (g + kAhead < num_strata) {
        __builtin_prefetch(members + next[g + kAhead]);
        __builtin_prefetch(out + next[g + kAhead], 1);
      }
      const uint64_t end = strata.offsets[g + 1];
      uint64_t k = next[g];
      for (; k < end && members[k] < last; ++k) out[k] = values[members[k] - first];
      next[g] = k;
    }
  }
}

// The same for every slot of the population.
template <typename Read, typename T>
void GatherBySlot(const Population& population, Read read, T* out) {
  if (population.strata != nullptr) {
    return GatherByStratum(*population.strata, population.num_samples, read, out);
  }
  read(0, absl::MakeSpan(out, population.num_samples));
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BY_SLOT_H_
