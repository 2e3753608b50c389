#if defined(__x86_64__)

#include <immintrin.h>

#include "sampling/pack_bits.h"
#include "sampling/range_bits_simd.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#include "sampling/range_bits_loop.inc"

namespace subset::sampling::range_bits_internal {
namespace {

// Three times as fast as the loop over bytes, on the types that scores have.
SUBSET_TARGET void CompareFloats(const float* values, size_t count, float low, float high,
                                 RangeBits* words) {
  const __m512 lows = _mm512_set1_ps(low);
  const __m512 highs = _mm512_set1_ps(high);
  for (size_t w = 0; w < count; ++w) {
    RangeBits bits;
    for (int shift = 0; shift < 64; shift += 16, values += 16) {
      const __m512 x = _mm512_loadu_ps(values);
      const __mmask16 not_below = _mm512_cmp_ps_mask(x, lows, _CMP_GE_OQ);
      const __mmask16 inside = _mm512_mask_cmp_ps_mask(not_below, x, highs, _CMP_LE_OQ);
      bits.below |= uint64_t{_mm512_cmp_ps_mask(x, lows, _CMP_LT_OQ)} << shift;
      bits.inside |= uint64_t{inside} << shift;
    }
    words[w] = bits;
  }
}

SUBSET_TARGET void CompareDoubles(const double* values, size_t count, double low, double high,
                                  RangeBits* words) {
  const __m512d lows = _mm512_set1_pd(low);
  const __m512d highs = _mm512_set1_pd(high);
  for (size_t w = 0; w < count; ++w) {
    RangeBits bits;
    for (int shift = 0; shift < 64; shift += 8, values += 8) {
      const __m512d x = _mm512_loadu_pd(values);
      const __mmask8 not_below = _mm512_cmp_pd_mask(x, lows, _CMP_GE_OQ);
      const __mmask8 inside = _mm512_mask_cmp_pd_mask(not_below, x, highs, _CMP_LE_OQ);
      bits.below |= uint64_t{_mm512_cmp_pd_mask(x, lows, _CMP_LT_OQ)} << shift;
      bits.inside |= uint64_t{inside} << shift;
    }
    words[w] = bits;
  }
}

}  // namespace

const Loops kAvx512Loops = {CompareLoop<uint8_t>, CompareLoop<uint16_t>, CompareLoop<uint32_t>,
                            CompareLoop<int64_t>, CompareFloats,         CompareDoubles};

}  // namespace subset::sampling::range_bits_internal

#endif  // defined(__x86_64__)
