// Sorting by the upper half of a number, in time linear in how many there are.

#ifndef SUBSET_SAMPLING_RADIX_SORT_H_
#define SUBSET_SAMPLING_RADIX_SORT_H_

#include <cstdint>

#include "absl/types/span.h"
#include "base/executor.h"

namespace subset::sampling {

// Sorts values ascending. Upper halves, of 32 bits, are below 2^bits. REQUIRES: lower halves ascend
// already. `scratch` is as long as `values` and holds anything before and after.
//
// What is longer than a part (parts.h) is spread over buckets by its upper bits, and buckets are
// sorted by the executor, each on one thread; the rest goes digit by digit, the least one first.
// About six passes over memory, of whatever distribution.
void RadixSort(absl::Span<uint64_t> values, int bits, absl::Span<uint64_t> scratch,
               const Executor* executor);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RADIX_SORT_H_
