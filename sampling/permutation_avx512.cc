#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through operand of its own intrinsics for an uninitialised
// variable (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include "sampling/permutation_feistel.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))

namespace subset::sampling::permutation_internal {
namespace {

constexpr int kVectors = 8;  // in flight at once, to hide the multiplier's latency
constexpr uint32_t kPositions = 16 * kVectors;
static_assert(kWidest % kPositions == 0);

SUBSET_TARGET inline __m512i Broadcast(uint32_t x) {
  return _mm512_set1_epi32(static_cast<int>(x));
}

// to = (to + RoundFunction(from)) mod radix, sixteen lanes.
SUBSET_TARGET inline __m512i Round(__m512i to, __m512i from, __m512i multiplier, __m512i addend,
                                   __m512i radix) {
  __m512i x = _mm512_add_epi32(_mm512_mullo_epi32(from, multiplier), addend);
  x = _mm512_xor_si512(x, _mm512_srli_epi32(x, 15));
  x = _mm512_mullo_epi32(x, Broadcast(kMixMultiplier));
  const __m512i even = _mm512_mul_epu32(x, radix);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), radix);
  const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  const __m512i sum = _mm512_add_epi32(to, high);
  // sum < 2 * radix <= 2^17; below radix the difference wraps and is the larger one.
  return _mm512_min_epu32(sum, _mm512_sub_epi32(sum, radix));
}

}  // namespace

SUBSET_TARGET size_t FillAvx512(const FeistelNetwork& network, uint64_t first,
                                absl::Span<uint32_t> out) {
  const uint32_t b = network.right_radix;
  const __m512i left_radix = Broadcast(network.left_radix);
  const __m512i right_radix = Broadcast(b);
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  // Images above `last` are outside; where n = 2^32 there are none.
  const __m512i last = Broadcast(static_cast<uint32_t>(network.n - 1));
  auto row = static_cast<uint32_t>(first / b);
  auto column = static_cast<uint32_t>(first % b);

  size_t done = 0;
  for (; done + kPositions <= out.size(); done += kPositions) {
    __m512i left[kVectors];
    __m512i right[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      // b > 255 > kPositions, so a vector reaches into the next row at most.
      const __m512i at = _mm512_add_epi32(Broadcast(column + 16 * v), lanes);
      const __mmask16 next_row = _mm512_cmpge_epu32_mask(at, right_radix);
      left[v] = _mm512_mask_add_epi32(Broadcast(row), next_row, Broadcast(row), Broadcast(1));
      right[v] = _mm512_mask_sub_epi32(at, next_row, at, right_radix);
    }
    for (int i = 0; i < kRounds; i += 2) {
      const __m512i m0 = Broadcast(network.multipliers[i]);
      const __m512i k0 = Broadcast(network.addends[i]);
      const __m512i m1 = Broadcast(network.multipliers[i + 1]);
      const __m512i k1 = Broadcast(network.addends[i + 1]);
      for (int v = 0; v < kVectors; ++v) left[v] = Round(left[v], right[v], m0, k0, left_radix);
      for (int v = 0; v < kVectors; ++v) right[v] = Round(right[v], left[v], m1, k1, right_radix);
    }
    __mmask16 outside = 0;
    for (int v = 0; v < kVectors; ++v) {
      const __m512i image = _mm512_add_epi32(_mm512_mullo_epi32(left[v], right_radix), right[v]);
      _mm512_storeu_si512(&out[done + 16 * v], image);
      outside |= _mm512_cmpgt_epu32_mask(image, last);
    }
    if (outside != 0) {
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
