// Slots in the order of time.

#ifndef SUBSET_SAMPLING_TIME_ORDER_H_
#define SUBSET_SAMPLING_TIME_ORDER_H_

#include <cstdint>
#include <vector>

#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/philox.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns the slots of a population by the numbers that their samples have in `times`, those
// without one left out. Samples of the same time are in the order of their hashes under `ties`.
//
// A radix sort by the 32 bits in which times differ first; only those that have these in common
// are compared. In parts by the executor (null: the calling thread). 24 bytes a slot while it
// sorts.
std::vector<uint32_t> SlotsByTime(const ColumnView& times, const Population& population,
                                  const PhiloxKey& ties, const Executor* executor);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_TIME_ORDER_H_
