#if defined(__x86_64__)

#include "sampling/pack_bits.h"
#include "sampling/range_bits_simd.h"

#define SUBSET_TARGET __attribute__((target("avx2")))
#include "sampling/range_bits_loop.inc"

namespace subset::sampling::range_bits_internal {

const Loops kAvx2Loops = {CompareLoop<uint8_t>, CompareLoop<uint16_t>, CompareLoop<uint32_t>,
                          CompareLoop<int64_t>, CompareLoop<float>,    CompareLoop<double>};

}  // namespace subset::sampling::range_bits_internal

#endif  // defined(__x86_64__)
