// Work on strata: on whole ones, which an executor may do at the same time, or piece by piece.

#ifndef SUBSET_SAMPLING_STRATUM_PARTS_H_
#define SUBSET_SAMPLING_STRATUM_PARTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/executor.h"
#include "sampling/parts.h"
#include "sampling/population.h"

namespace subset::sampling {

// Calls work(g, executor) for each stratum g: those no longer than a part (parts.h) with a null
// executor, one after the other where they begin in one part, and then the longer ones with the
// given one.
template <typename Work>
void ForEachStratum(const Executor* executor, const Population& population, Work work) {
  if (population.num_strata() == 1) return work(size_t{0}, executor);
  const std::vector<uint64_t>& offsets = population.strata->offsets;
  const auto is_long = [&population](size_t g) { return population.count(g) > kPartSize; };
  ForEachPart(executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
    const auto begin = std::lower_bound(offsets.begin(), offsets.end() - 1, first);
    const auto end = std::lower_bound(begin, offsets.end() - 1, last);
    for (auto stratum = begin; stratum < end; ++stratum) {
      const auto g = static_cast<size_t>(stratum - offsets.begin());
      if (!is_long(g)) work(g, static_cast<const Executor*>(nullptr));
    }
  });
  for (size_t g = 0; g < population.num_strata(); ++g) {
    if (is_long(g)) work(g, executor);
  }
}

// Calls work(g, first, last) for pieces first .. last - 1 of at most `size` slots, each of one
// stratum g, which together are slots begin .. end - 1; in order, on the calling thread.
template <typename Work>
void ForEachPiece(const Population& population, uint64_t begin, uint64_t end, uint64_t size,
                  Work work) {
  size_t g = population.strata == nullptr ? 0 : population.strata->StratumOf(begin);
  for (uint64_t first = begin; first < end; ++g) {
    const uint64_t stratum_end = std::min(end, population.first(g) + population.count(g));
    while (first < stratum_end) {
      const uint64_t last = std::min(first + size, stratum_end);
      work(g, first, last);
      first = last;
    }
  }
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STRATUM_PARTS_H_
