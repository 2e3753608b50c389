// Sorts samples by small numbers.

#ifndef SUBSET_SAMPLING_SORT_BY_CELL_H_
#define SUBSET_SAMPLING_SORT_BY_CELL_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/huge_array.h"
#include "sampling/parts.h"
#include "sampling/sample_set.h"
#include "sampling/set_members.h"

namespace subset::sampling {

// Samples cell after cell; within one by index.
struct SortedSamples {
  std::vector<uint64_t> offsets;  // of each cell, and the end
  HugeArray<uint32_t> members;
};

// Calls f(i, k) for samples i = first .. last - 1 of a chunk that are in the set (null: all), where
// k is their place in it.
template <typename F>
void ForEachOfChunk(uint64_t first, uint64_t last, const SampleSet* set, F f) {
  if (set == nullptr) {
    for (uint64_t i = first; i < last; ++i) f(i, i - first);
    return;
  }
  constexpr uint64_t kWord = 64;
  ForEachMember(*set, first / kWord, (last + kWord - 1) / kWord,
                [&](uint64_t i) { f(i, i - first); });
}

// Sorts those of num_samples samples that are in `set`, null: all. cells_of(c) returns cell(k), the
// cell of the k-th sample of chunk c, which is below num_cells. Two passes over them: each thread
// counts the cells of its range of samples, so that it knows where each of them goes.
template <typename CellsOf>
SortedSamples SortByCell(uint64_t num_samples, size_t num_cells, const SampleSet* set,
                         const Executor* executor, CellsOf cells_of) {
  const Ranges ranges(executor, num_samples, kChunkSamples);
  const auto for_each = [&](uint64_t begin, uint64_t end, auto f) {
    for (uint64_t first = begin; first < end; first += kChunkSamples) {
      auto cell = cells_of(first / kChunkSamples);
      ForEachOfChunk(first, std::min(first + kChunkSamples, end), set,
                     [&](uint64_t i, size_t k) { f(i, cell(k)); });
    }
  };
  // Of each range the counts of cells, then where their next samples go.
  std::vector<std::vector<uint64_t>> next(ranges.count(), std::vector<uint64_t>(num_cells));
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const counts = next[range].data();
    for_each(first, last, [counts](uint64_t, size_t cell) { ++counts[cell]; });
  });
  SortedSamples sorted;
  sorted.offsets.reserve(num_cells + 1);
  uint64_t offset = 0;
  for (size_t cell = 0; cell < num_cells; ++cell) {
    sorted.offsets.push_back(offset);
    for (std::vector<uint64_t>& of_range : next) {
      const uint64_t count = of_range[cell];
      of_range[cell] = offset;
      offset += count;
    }
  }
  sorted.offsets.push_back(offset);
  sorted.members = HugeArray<uint32_t>(offset);
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const at = next[range].data();
    uint32_t* const members = sorted.members.data();
    for_each(first, last, [at, members](uint64_t i, size_t cell) {
      members[at[cell]++] = static_cast<uint32_t>(i);
    });
  });
  return sorted;
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SORT_BY_CELL_H_
