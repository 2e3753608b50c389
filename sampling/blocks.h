// Blocks of consecutive times: starts, lengths and how often each sample is in one.

#ifndef SUBSET_SAMPLING_BLOCKS_H_
#define SUBSET_SAMPLING_BLOCKS_H_

#include <cstdint>
#include <vector>

#include "sampling/philox.h"
#include "sampling/spec.h"

namespace subset::sampling {

// A block of the n samples in order of time; it goes on at 0 where it reaches n.
struct TimeBlock {
  uint64_t start = 0;  // < n
  uint64_t length = 0;
};

// Returns the blocks of an epoch: `count` of them, where FIXED has as many.
//   FIXED       of a partition into length + gap, the last one maybe shorter; without replacement
//   MOVING      starts uniform on 0 .. n - length
//   CIRCULAR    starts uniform on 0 .. n - 1
//   STATIONARY  as CIRCULAR, lengths geometric with mean `length` (Politis & Romano 1994)
// A length above n counts as n. REQUIRES: n > 0.
std::vector<TimeBlock> ChooseBlocks(const Draw& draw, uint64_t n, uint64_t count,
                                    const PhiloxKey& key);

// Returns how often `count` blocks are expected to hold each place in time, exactly: MOVING holds
// the ends less often. O(n).
std::vector<double> ExpectedInBlocks(const Draw& draw, uint64_t n, uint64_t count);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BLOCKS_H_
