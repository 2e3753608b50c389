#if defined(__x86_64__)

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sampling/leaf_bulk_simd.h"
#include "sampling/leaf_math.h"
#include "sampling/pack_bits.h"

#define SUBSET_TARGET __attribute__((target("avx2")))
#include "sampling/leaf_bulk_loops.inc"
#include "sampling/leaf_quick_block.inc"
#include "sampling/leaf_quick_loops.inc"
#include "sampling/leaf_sum_loops.inc"

namespace subset::sampling::leaf_bulk_internal {

const Loops kAvx2Loops = {EncodeLoop, QuickLoop, PowersLoop,      AddLoop, AddLoop,
                          KeepLoop,   RatioLoop, ExponentialLoop, SumLoop, LinesLoop};

}  // namespace subset::sampling::leaf_bulk_internal

#endif  // defined(__x86_64__)
