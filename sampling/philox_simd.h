// Constants of Philox4x32 and its SIMD forms. Internal to philox.cc.

#ifndef SUBSET_SAMPLING_PHILOX_SIMD_H_
#define SUBSET_SAMPLING_PHILOX_SIMD_H_

#include <cstddef>
#include <cstdint>

#include "sampling/philox.h"

namespace subset::sampling::philox_internal {

inline constexpr uint32_t kMultiplier0 = 0xD2511F53;
inline constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kWeyl0 = 0x9E3779B9;
inline constexpr uint32_t kWeyl1 = 0xBB67AE85;

#if defined(__x86_64__)
// Each writes a leading part of what PhiloxFill promises and returns how many blocks.
size_t FillAvx2(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                absl::Span<PhiloxBlock> out);
size_t FillAvx512(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                  absl::Span<PhiloxBlock> out);
#endif

}  // namespace subset::sampling::philox_internal

#endif  // SUBSET_SAMPLING_PHILOX_SIMD_H_
