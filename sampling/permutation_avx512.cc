#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through operand of its own intrinsics for an uninitialised
// variable (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <algorithm>

#include "sampling/permutation_feistel.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))

namespace subset::sampling::permutation_internal {
namespace {

constexpr int kVectors = 4;  // in flight at once, to hide the multiplier's latency
constexpr uint32_t kPositions = 32 * kVectors;
static_assert(kWidest % kPositions == 0);

SUBSET_TARGET inline __m512i Broadcast16(uint32_t x) {
  return _mm512_set1_epi16(static_cast<int16_t>(x));
}

struct RoundKey {
  __m512i multiplier;
  __m512i addend;
  __m512i mixer;
};

SUBSET_TARGET inline RoundKey KeyOf(const FeistelNetwork& network, int round) {
  return {Broadcast16(network.multipliers[round]), Broadcast16(network.addends[round]),
          Broadcast16(network.mixers[round])};
}

// to = (to + RoundFunction(from)) mod radix, 32 lanes.
SUBSET_TARGET inline __m512i Round(__m512i to, __m512i from, const RoundKey& key, __m512i radix,
                                   __m512i below_radix) {
  __m512i x = _mm512_add_epi16(_mm512_mullo_epi16(from, key.multiplier), key.addend);
  x = _mm512_xor_si512(x, _mm512_srli_epi16(x, 8));
  x = _mm512_mulhi_epu16(_mm512_mullo_epi16(x, key.mixer), below_radix);
  // Modulo 2^16, sum - radix is right from radix on and no less than the sum below it.
  return _mm512_min_epu16(_mm512_sub_epi16(_mm512_add_epi16(to, x), radix),
                          _mm512_adds_epu16(to, x));
}

// Writes left * b + right of sixteen lanes; returns those above `last`.
SUBSET_TARGET inline __mmask16 Join(__m256i left, __m256i right, __m512i b, __m512i last,
                                    uint32_t* out) {
  const __m512i image = _mm512_add_epi32(_mm512_mullo_epi32(_mm512_cvtepu16_epi32(left), b),
                                         _mm512_cvtepu16_epi32(right));
  _mm512_storeu_si512(out, image);
  return _mm512_cmpgt_epu32_mask(image, last);
}

}  // namespace

SUBSET_TARGET size_t FillAvx512(const FeistelNetwork& network, uint64_t first,
                                absl::Span<uint32_t> out) {
  const uint32_t b = network.right_radix;
  const __m512i left_radix = Broadcast16(network.left_radix);
  const __m512i right_radix = Broadcast16(b);
  const __m512i below_left = Broadcast16(network.left_radix - 1);
  const __m512i below_right = Broadcast16(b - 1);
  const __m512i wide_b = _mm512_set1_epi32(static_cast<int>(b));
  // Images above `last` are outside; where n = 2^32 there are none.
  const __m512i last = _mm512_set1_epi32(static_cast<int>(static_cast<uint32_t>(network.n - 1)));
  alignas(64) uint16_t numbers[kPositions];
  for (uint32_t i = 0; i < kPositions; ++i) numbers[i] = static_cast<uint16_t>(i);
  auto row = static_cast<uint32_t>(first / b);
  auto column = static_cast<uint32_t>(first % b);

  size_t done = 0;
  for (; done + kPositions <= out.size(); done += kPositions) {
    __m512i left[kVectors];
    __m512i right[kVectors];
    // b > 255 > kPositions, so a step reaches into the next row at most.
    const __m512i in_row = Broadcast16(std::min(b - column, kPositions));
    for (int v = 0; v < kVectors; ++v) {
      const __m512i lanes = _mm512_load_si512(&numbers[32 * v]);
      const __mmask32 next_row = _mm512_cmpge_epu16_mask(lanes, in_row);
      const __m512i at = _mm512_add_epi16(Broadcast16(column), lanes);
      left[v] = _mm512_mask_add_epi16(Broadcast16(row), next_row, Broadcast16(row), Broadcast16(1));
      right[v] = _mm512_mask_sub_epi16(at, next_row, at, right_radix);
    }
    for (int i = 0; i < kRounds; i += 2) {
      const RoundKey to_left = KeyOf(network, i);
      const RoundKey to_right = KeyOf(network, i + 1);
      for (int v = 0; v < kVectors; ++v) {
        left[v] = Round(left[v], right[v], to_left, left_radix, below_left);
      }
      for (int v = 0; v < kVectors; ++v) {
        right[v] = Round(right[v], left[v], to_right, right_radix, below_right);
      }
    }
    __mmask16 outside = 0;
    for (int v = 0; v < kVectors; ++v) {
      uint32_t* const images = &out[done + 32 * v];
      outside |= Join(_mm512_castsi512_si256(left[v]), _mm512_castsi512_si256(right[v]), wide_b,
                      last, images);
      outside |= Join(_mm512_extracti64x4_epi64(left[v], 1), _mm512_extracti64x4_epi64(right[v], 1),
                      wide_b, last, images + 16);
    }
    if (outside != 0) WalkInside(network, out.subspan(done, kPositions));
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
