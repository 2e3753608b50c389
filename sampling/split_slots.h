// The slots of a population in two halves: those whose samples are in a set, and the others.
//
// Neither half is written out: the k-th slot of one is found in a bit vector when it is asked for
// (select, as in Vigna, "Broadword implementation of rank/select queries", WEA 2008). What is read
// for it lies in the cache, where a list of the slots would not.

#ifndef SUBSET_SAMPLING_SPLIT_SLOTS_H_
#define SUBSET_SAMPLING_SPLIT_SLOTS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/huge_array.h"
#include "sampling/population.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Immutable; thread-safe. A slot's number is its rank among those in the set, in ascending order;
// or among the others, after all in the set. At most 1.75 bits a slot.
class SplitSlots {
 public:
  // O(N / 64); where strata reorder samples, O(N). By the executor; null: the calling thread.
  SplitSlots(const Population& population, const SampleSet& set, const Executor* executor);

  // Returns the number of the first slot from `slot` <= size of the population on that is, or is
  // not, in the set; where there is none, one more than the last number of its half. O(1).
  uint64_t NumberFrom(uint64_t slot, bool contained) const;

  // Puts slots in the place of their numbers. A few nanoseconds each, in bulk.
  void Find(absl::Span<uint32_t> numbers) const;

  // A bit for each slot, whether it is in the set; zeros to the end of a block.
  const HugeArray<uint64_t>& words() const { return words_; }

  // What slots are found in. Arrays: of the set, then of the others.
  struct View {
    const uint64_t* words;
    const uint64_t* entries;
    std::array<const uint32_t*, 2> hints;
    std::array<int, 2> shifts;
    uint64_t num_contained;
  };

 private:
  void WriteHints(uint64_t size, bool contained);

  HugeArray<uint64_t> words_;
  std::vector<uint64_t> entries_;  // the directory, of the set: one for each block, and some more
  uint64_t num_contained_ = 0;
  std::array<std::vector<uint32_t>, 2> hints_;  // the block of every 2^shift-th slot of a half
  std::array<int, 2> shifts_{};
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SPLIT_SLOTS_H_
