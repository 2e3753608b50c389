#include "sampling/philox_simd.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define SUBSET_AVX2 __attribute__((target("avx2")))

namespace subset::sampling::philox_internal {
namespace {

// Four blocks, one 64-bit lane each; only the low 32 bits of a lane count. vpmuludq reads just
// those, so products need no masking.
struct FourBlocks {
  __m256i c0, c1, c2, c3;
};

SUBSET_AVX2 inline void Round(FourBlocks& x, __m256i k0, __m256i k1) {
  const __m256i p0 = _mm256_mul_epu32(x.c0, _mm256_set1_epi64x(kMultiplier0));
  const __m256i p1 = _mm256_mul_epu32(x.c2, _mm256_set1_epi64x(kMultiplier1));
  x.c0 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), x.c1), k0);
  x.c1 = p1;
  x.c2 = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), x.c3), k1);
  x.c3 = p0;
}

SUBSET_AVX2 inline FourBlocks Start(uint64_t first, uint64_t counter_high) {
  const __m256i low = _mm256_add_epi64(_mm256_set1_epi64x(static_cast<int64_t>(first)),
                                       _mm256_setr_epi64x(0, 1, 2, 3));
  const __m256i high = _mm256_set1_epi64x(static_cast<int64_t>(counter_high));
  return {low, _mm256_srli_epi64(low, 32), high, _mm256_srli_epi64(high, 32)};
}

SUBSET_AVX2 inline void Store(const FourBlocks& x, PhiloxBlock* out) {
  // Words 0, 1 and 2, 3 of each block side by side, then the halves interleaved.
  const __m256i low = _mm256_blend_epi32(x.c0, _mm256_slli_epi64(x.c1, 32), 0xAA);
  const __m256i high = _mm256_blend_epi32(x.c2, _mm256_slli_epi64(x.c3, 32), 0xAA);
  const __m256i even = _mm256_unpacklo_epi64(low, high);  // blocks 0, 2
  const __m256i odd = _mm256_unpackhi_epi64(low, high);   // blocks 1, 3
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
}

}  // namespace

SUBSET_AVX2 size_t FillAvx2(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                            absl::Span<PhiloxBlock> out) {
  size_t i = 0;
  for (; i + 12 <= out.size(); i += 12) {  // three chains hide the multiplier's latency
    FourBlocks a = Start(first + i, counter_high);
    FourBlocks b = Start(first + i + 4, counter_high);
    FourBlocks c = Start(first + i + 8, counter_high);
    uint32_t k0 = key[0];
    uint32_t k1 = key[1];
    for (int round = 0; round < 10; ++round) {
      const __m256i v0 = _mm256_set1_epi64x(k0);
      const __m256i v1 = _mm256_set1_epi64x(k1);
      Round(a, v0, v1);
      Round(b, v0, v1);
      Round(c, v0, v1);
      k0 += kWeyl0;
      k1 += kWeyl1;
    }
    Store(a, &out[i]);
    Store(b, &out[i + 4]);
    Store(c, &out[i + 8]);
  }
  return i;
}

}  // namespace subset::sampling::philox_internal

#endif  // defined(__x86_64__)
