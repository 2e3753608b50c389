#if defined(__x86_64__)

#include <immintrin.h>

#include "sampling/permutation_feistel.h"

#define SUBSET_AVX2 __attribute__((target("avx2")))

namespace subset::sampling::permutation_internal {
namespace {

constexpr int kVectors = 4;  // in flight at once, to hide the multiplier's latency
constexpr uint32_t kPositions = 8 * kVectors;
static_assert(kWidest % kPositions == 0);

// to = (to + RoundFunction(from)) mod radix, eight lanes.
SUBSET_AVX2 inline __m256i Round(__m256i to, __m256i from, __m256i multiplier, __m256i addend,
                                 __m256i radix) {
  __m256i x = _mm256_add_epi32(_mm256_mullo_epi32(from, multiplier), addend);
  x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
  x = _mm256_mullo_epi32(x, _mm256_set1_epi32(kMixMultiplier));
  const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(x, radix), 32);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), radix);
  const __m256i sum = _mm256_add_epi32(to, _mm256_blend_epi32(even, odd, 0xAA));
  // sum < 2 * radix <= 2^17; below radix the difference wraps and is the larger one.
  return _mm256_min_epu32(sum, _mm256_sub_epi32(sum, radix));
}

}  // namespace

SUBSET_AVX2 size_t FillAvx2(const FeistelNetwork& network, uint64_t first,
                            absl::Span<uint32_t> out) {
  const uint32_t b = network.right_radix;
  const __m256i left_radix = _mm256_set1_epi32(static_cast<int>(network.left_radix));
  const __m256i right_radix = _mm256_set1_epi32(static_cast<int>(b));
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  // Images above `last` are outside; where n = 2^32 there are none.
  const __m256i last = _mm256_set1_epi32(static_cast<int>(static_cast<uint32_t>(network.n - 1)));
  auto row = static_cast<uint32_t>(first / b);
  auto column = static_cast<uint32_t>(first % b);

  size_t done = 0;
  for (; done + kPositions <= out.size(); done += kPositions) {
    __m256i left[kVectors];
    __m256i right[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      // b > 255 > kPositions, so a vector reaches into the next row at most.
      const __m256i at =
          _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(column + 8 * v)), lanes);
      const __m256i next_row = _mm256_cmpgt_epi32(right_radix, at);  // 0 where at >= b
      left[v] = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(row + 1)), next_row);
      right[v] = _mm256_min_epu32(at, _mm256_sub_epi32(at, right_radix));
    }
    for (int i = 0; i < kRounds; i += 2) {
      const __m256i m0 = _mm256_set1_epi32(static_cast<int>(network.multipliers[i]));
      const __m256i k0 = _mm256_set1_epi32(static_cast<int>(network.addends[i]));
      const __m256i m1 = _mm256_set1_epi32(static_cast<int>(network.multipliers[i + 1]));
      const __m256i k1 = _mm256_set1_epi32(static_cast<int>(network.addends[i + 1]));
      for (int v = 0; v < kVectors; ++v) left[v] = Round(left[v], right[v], m0, k0, left_radix);
      for (int v = 0; v < kVectors; ++v) right[v] = Round(right[v], left[v], m1, k1, right_radix);
    }
    __m256i inside = _mm256_set1_epi32(-1);
    for (int v = 0; v < kVectors; ++v) {
      const __m256i image = _mm256_add_epi32(_mm256_mullo_epi32(left[v], right_radix), right[v]);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(&out[done + 8 * v]), image);
      inside = _mm256_and_si256(inside, _mm256_cmpeq_epi32(_mm256_min_epu32(image, last), image));
    }
    if (_mm256_movemask_epi8(inside) != -1) {
      for (uint32_t i = 0; i < kPositions; ++i) {
        uint32_t& image = out[done + i];
        if (image >= network.n) image = Apply(network, image);
      }
    }
    column += kPositions;
    if (column >= b) {
      column -= b;
      ++row;
    }
  }
  return done;
}

}  // namespace subset::sampling::permutation_internal

#endif  // defined(__x86_64__)
