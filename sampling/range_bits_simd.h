// The loops of range_bits.h for each SIMD level.

#ifndef SUBSET_SAMPLING_RANGE_BITS_SIMD_H_
#define SUBSET_SAMPLING_RANGE_BITS_SIMD_H_

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "sampling/range_bits.h"

namespace subset::sampling::range_bits_internal {

inline constexpr size_t kWord = 64;

// Compares kWord * count values.
template <typename T>
using Loop = void (*)(const T* values, size_t count, T low, T high, RangeBits* words);

using Loops = std::tuple<Loop<uint8_t>, Loop<uint16_t>, Loop<uint32_t>, Loop<int64_t>, Loop<float>,
                         Loop<double>>;

extern const Loops kPortableLoops;
extern const Loops kAvx2Loops;
extern const Loops kAvx512Loops;

}  // namespace subset::sampling::range_bits_internal

#endif  // SUBSET_SAMPLING_RANGE_BITS_SIMD_H_
