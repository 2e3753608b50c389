// Values of samples in the order of the slots of a population.

#ifndef SUBSET_SAMPLING_BY_SLOT_H_
#define SUBSET_SAMPLING_BY_SLOT_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/huge_array.h"
#include "sampling/parts.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns where in the members of each stratum those from sample `first` on begin.
inline std::vector<uint64_t> FirstMembersFrom(const Strata& strata, uint64_t first) {
  std::vector<uint64_t> from(strata.offsets.begin(), strata.offsets.end() - 1);
  if (first == 0) return from;
  const uint32_t* const members = strata.members.data();
  for (size_t g = 0; g < from.size(); ++g) {
    from[g] =
        std::lower_bound(members + strata.offsets[g], members + strata.offsets[g + 1], first) -
        members;
  }
  return from;
}

// Writes the value of members[k] to out[k], for all members of the strata of num_samples samples.
// read(first, values) writes the values of samples first, first + 1, ...; first begins a part
// (parts.h), and it is called by several threads of the executor.
//
// The members of a stratum lie all over the dataset: read stratum by stratum, each would miss the
// cache. So a part of the dataset that fits into it is read in order, and from there all strata;
// then the next. Where a stratum goes on is asked for while others are read.
template <typename Read, typename T>
void GatherByStratum(const Strata& strata, uint64_t num_samples, Read read,
                     const Executor* executor, T* out) {
  constexpr uint64_t kMembers = 32;  // that a stratum has in a piece, so that going to it pays
  constexpr size_t kAhead = 4;
  const uint32_t* const members = strata.members.data();
  const size_t num_strata = strata.values.size();
  const uint64_t piece = (kMembers * num_strata / kPartSize + 1) * kPartSize;
  const auto gather = [&](size_t, uint64_t begin, uint64_t end) {
    HugeArray<T> values(std::min(piece, end - begin));
    std::vector<uint64_t> next = FirstMembersFrom(strata, begin);
    for (uint64_t first = begin; first < end; first += piece) {
      const uint64_t last = std::min(first + piece, end);
      read(first, absl::MakeSpan(values.data(), last - first));
      for (size_t g = 0; g < num_strata; ++g) {
        if (g + kAhead < num_strata) {
          __builtin_prefetch(members + next[g + kAhead]);
          __builtin_prefetch(out + next[g + kAhead], 1);
        }
        const uint64_t stratum_end = strata.offsets[g + 1];
        uint64_t k = next[g];
        for (; k < stratum_end && members[k] < last; ++k) out[k] = values[members[k] - first];
        next[g] = k;
      }
    }
  };
  Ranges(executor, num_samples, piece).ForEach(gather);
}

// The same for every slot of the population.
template <typename Read, typename T>
void GatherBySlot(const Population& population, Read read, const Executor* executor, T* out) {
  if (population.strata != nullptr) {
    return GatherByStratum(*population.strata, population.num_samples, read, executor, out);
  }
  ForEachPart(executor, population.num_samples, [&](size_t, uint64_t first, uint64_t last) {
    read(first, absl::MakeSpan(out + first, last - first));
  });
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BY_SLOT_H_
