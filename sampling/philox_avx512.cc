#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through operand of its own intrinsics for an uninitialised
// variable (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include "sampling/philox_simd.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))

namespace subset::sampling::philox_internal {
namespace {

// Eight blocks, laid out as the four of the AVX2 form.
struct EightBlocks {
  __m512i c0, c1, c2, c3;
};

SUBSET_TARGET inline void Round(EightBlocks& x, __m512i k0, __m512i k1) {
  const __m512i p0 = _mm512_mul_epu32(x.c0, _mm512_set1_epi64(kMultiplier0));
  const __m512i p1 = _mm512_mul_epu32(x.c2, _mm512_set1_epi64(kMultiplier1));
  constexpr int kXorOfThree = 0x96;
  x.c0 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p1, 32), x.c1, k0, kXorOfThree);
  x.c1 = p1;
  x.c2 = _mm512_ternarylogic_epi64(_mm512_srli_epi64(p0, 32), x.c3, k1, kXorOfThree);
  x.c3 = p0;
}

SUBSET_TARGET inline EightBlocks Start(uint64_t first, uint64_t counter_high) {
  const __m512i low = _mm512_add_epi64(_mm512_set1_epi64(static_cast<int64_t>(first)),
                                       _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
  const __m512i high = _mm512_set1_epi64(static_cast<int64_t>(counter_high));
  return {low, _mm512_srli_epi64(low, 32), high, _mm512_srli_epi64(high, 32)};
}

SUBSET_TARGET inline void Store(const EightBlocks& x, PhiloxBlock* out) {
  // Words 0, 1 and 2, 3 of each block side by side, then the halves interleaved.
  const __m512i low = _mm512_mask_blend_epi32(0xAAAA, x.c0, _mm512_slli_epi64(x.c1, 32));
  const __m512i high = _mm512_mask_blend_epi32(0xAAAA, x.c2, _mm512_slli_epi64(x.c3, 32));
  const __m512i first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
  const __m512i second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi64(low, first, high));
  _mm512_storeu_si512(out + 4, _mm512_permutex2var_epi64(low, second, high));
}

}  // namespace

SUBSET_TARGET size_t FillAvx512(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                                absl::Span<PhiloxBlock> out) {
  size_t i = 0;
  for (; i + 32 <= out.size(); i += 32) {  // four chains hide the multiplier's latency
    EightBlocks a = Start(first + i, counter_high);
    EightBlocks b = Start(first + i + 8, counter_high);
    EightBlocks c = Start(first + i + 16, counter_high);
    EightBlocks d = Start(first + i + 24, counter_high);
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const __m512i v0 = _mm512_set1_epi64(k0);
      const __m512i v1 = _mm512_set1_epi64(k1);
      Round(a, v0, v1);
      Round(b, v0, v1);
      Round(c, v0, v1);
      Round(d, v0, v1);
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
    Store(a, &out[i]);
    Store(b, &out[i + 8]);
    Store(c, &out[i + 16]);
    Store(d, &out[i + 24]);
  }
  return i;
}

}  // namespace subset::sampling::philox_internal

#endif  // defined(__x86_64__)
