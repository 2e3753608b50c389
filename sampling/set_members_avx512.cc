#if defined(__x86_64__)

#include <immintrin.h>

#include "sampling/set_members_simd.h"

namespace subset::sampling::set_members_internal {

__attribute__((target("avx512f,avx512bw,avx512vl,popcnt"))) void WriteAvx512(
    absl::Span<const uint64_t> words, uint32_t first, absl::Span<uint32_t> out) {
  constexpr int kLanes = 16;
  const __m512i step = _mm512_set1_epi32(kLanes);
  __m512i numbers =
      _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(first)),
                       _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  uint32_t* to = out.data();
  uint32_t* const end = to + out.size();
  for (uint64_t word : words) {
    for (int k = 0; k < 64; k += kLanes, word >>= kLanes) {
      const auto mask = static_cast<__mmask16>(word);
      const __m512i members = _mm512_maskz_compress_epi32(mask, numbers);
      const int count = __builtin_popcount(mask);
      if (end - to >= kLanes) {
        _mm512_storeu_si512(to, members);  // what is behind them is written next
      } else {
        _mm512_mask_storeu_epi32(to, static_cast<__mmask16>((1u << count) - 1), members);
      }
      to += count;
      numbers = _mm512_add_epi32(numbers, step);
    }
  }
}

}  // namespace subset::sampling::set_members_internal

#endif  // defined(__x86_64__)
