// Repeated sampling of random subsets without replacement (RS2: Okanovic et al. 2023).
//
// One keyed order of all numbers is cut into consecutive slices, one a round; when it is used up, a
// new one follows. A slice that starts at the end of one order is completed from the head of the
// next, passing over what it already holds; what was passed over is handed out first in the round
// after. So every slice is of distinct numbers, and in n rounds each number comes `size` times.
//
// Where a slice holds more than half of the numbers, those left out are taken in this way instead:
// the same law, and no round depends on more than the order before its own.

#ifndef SUBSET_SAMPLING_ROUNDS_H_
#define SUBSET_SAMPLING_ROUNDS_H_

#include <cstdint>
#include <vector>

#include "sampling/philox.h"

namespace subset::sampling {

// Returns the slice of a round: `size` <= n distinct numbers below n <= 2^32, in a keyed order. A
// pure function of its arguments; key.epoch is not read. Time O(size), or O(n) for more than half
// of them; memory of the order of the result.
std::vector<uint32_t> RoundSlice(const StreamKey& key, uint64_t n, uint64_t size, uint64_t round);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_ROUNDS_H_
