// Samples in the order of their scores; ties by a keyed hash of the sample, never by its index.

#ifndef SUBSET_SAMPLING_RANKS_H_
#define SUBSET_SAMPLING_RANKS_H_

#include <cstdint>
#include <vector>

#include "sampling/philox.h"

namespace subset::sampling {

// A slot with what it is ordered by.
struct RankedSlot {
  uint64_t order;  // larger scores have larger ones
  uint32_t tie;    // keyed hash of the sample
  uint32_t slot;

  RankedSlot(double score, uint32_t sample, uint32_t slot, const PhiloxKey& ties);
};

// Sorts by score, largest first. O(n log n).
void SortLargestFirst(std::vector<RankedSlot>* slots);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANKS_H_
