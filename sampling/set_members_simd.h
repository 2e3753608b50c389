// The SIMD form of set_members.h. Internal to set_members.cc.

#ifndef SUBSET_SAMPLING_SET_MEMBERS_SIMD_H_
#define SUBSET_SAMPLING_SET_MEMBERS_SIMD_H_

#include <cstdint>

#include "absl/types/span.h"

namespace subset::sampling::set_members_internal {

#if defined(__x86_64__)
// Writes `first` plus the place of each bit of the words; `out` is as long as there are bits.
void WriteAvx512(absl::Span<const uint64_t> words, uint32_t first, absl::Span<uint32_t> out);
#endif

}  // namespace subset::sampling::set_members_internal

#endif  // SUBSET_SAMPLING_SET_MEMBERS_SIMD_H_
