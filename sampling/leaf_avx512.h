// The weights of a line of leaves, by AVX-512. For x86-64 only, and called only where the processor
// has it.

#ifndef SUBSET_SAMPLING_LEAF_AVX512_H_
#define SUBSET_SAMPLING_LEAF_AVX512_H_

#include <immintrin.h>

namespace subset::sampling {

// LeafWeight of the even and of the odd ones of 32 leaves, as 16 words each.
struct LineWeights {
  __m512i even;
  __m512i odd;
};

__attribute__((target("avx512f,avx512bw"))) inline LineWeights WeightsOfLine(__m512i leaves) {
  // A weight is mantissa << shift: shift = max(e - 1, 0), mantissa = m with its leading bit where e
  // > 0.
  const __m512i shift = _mm512_subs_epu16(_mm512_srli_epi16(leaves, 12), _mm512_set1_epi16(1));
  const __m512i mantissa = _mm512_or_si512(_mm512_min_epu16(leaves, _mm512_set1_epi16(0x1000)),
                                           _mm512_and_si512(leaves, _mm512_set1_epi16(0xfff)));
  const __m512i low = _mm512_set1_epi32(0xffff);
  return {_mm512_sllv_epi32(_mm512_and_si512(mantissa, low), _mm512_and_si512(shift, low)),
          _mm512_sllv_epi32(_mm512_srli_epi32(mantissa, 16), _mm512_srli_epi32(shift, 16))};
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_AVX512_H_
