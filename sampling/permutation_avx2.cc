#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "sampling/permutation_feistel.h"

#define SUBSET_AVX2 __attribute__((target("avx2")))

namespace subset::sampling::permutation_internal {
namespace {

constexpr int kVectors = 4;  // in flight at once, to hide the multiplier's latency
constexpr uint32_t kPositions = 16 * kVectors;
static_assert(kWidest % kPositions == 0);

SUBSET_AVX2 inline __m256i Broadcast16(uint32_t x) {
  return _mm256_set1_epi16(static_cast<int16_t>(x));
}

// All ones where x >= y, unsigned.
SUBSET_AVX2 inline __m256i AtLeast(__m256i x, __m256i y) {
  return _mm256_cmpeq_epi16(_mm256_max_epu16(x, y), x);
}

struct RoundKey {
  __m256i multiplier;
  __m256i addend;
  __m256i mixer;
};

SUBSET_AVX2 inline RoundKey KeyOf(const FeistelNetwork& network, int round) {
  return {Broadcast16(network.multipliers[round]), Broadcast16(network.addends[round]),
          Broadcast16(network.mixers[round])};
}

// to = (to + RoundFunction(from)) mod radix, 16 lanes.
SUBSET_AVX2 inline __m256i Round(__m256i to, __m256i from, const RoundKey& key, __m256i radix,
                                 __m256i below_radix) {
  __m256i x = _mm256_add_epi16(_mm256_mullo_epi16(from, key.multiplier), key.addend);
  x = _mm256_xor_si256(x, _mm256_srli_epi16(x, 8));
  x = _mm256_mulhi_epu16(_mm256_mullo_epi16(x, key.mixer), below_radix);
  // Modulo 2^16, sum - radix is right from radix on and no less than the sum below it.
  return _mm256_min_epu16(_mm256_sub_epi16(_mm256_add_epi16(to, x), radix),
                          _mm256_adds_epu16(to, x));
}

// Writes left * b + right of eight lanes; returns all ones where that is at most `last`.
SUBSET_AVX2 inline __m256i Join(__m128i left, __m128i right, __m256i b, __m256i last,
                                uint32_t* out) {
  const __m256i image = _mm256_add_epi32(_mm256_mullo_epi32(_mm256_cvtepu16_epi32(left), b),
                                         _mm256_cvtepu16_epi32(right));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), image);
  return _mm256_cmpeq_epi32(_mm256_min_epu32(image, last), image);
}

}  // namespace

SUBSET_AVX2 size_t FillAvx2(const FeistelNetwork& network, uint64_t first,
                            absl::Span<uint32_t> out) {
  const uint32_t b = network.right_radix;
  const __m256i left_radix = Broadcast16(network.left_radix);
  const __m256i right_radix = Broadcast16(b);
  const __m256i below_left = Broadcast16(network.left_radix - 1);
  const __m256i below_right = Broadcast16(b - 1);
  const __m256i wide_b = _mm256_set1_epi32(static_cast<int>(b));
  // Images above `last` are outside; where n = 2^32 there are none.
  const __m256i last = _mm256_set1_epi32(static_cast<int>(static_cast<uint32_t>(network.n - 1)));
  alignas(32) uint16_t numbers[kPositions];
  for (uint32_t i = 0; i < kPositions; ++i) numbers[i] = static_cast<uint16_t>(i);
  auto row = static_cast<uint32_t>(first / b);
  auto column = static_cast<uint32_t>(first % b);

  size_t done = 0;
  for (; done + kPositions <= out.size(); done += kPositions) {
    __m256i left[kVectors];
    __m256i right[kVectors];
    // b > 255 > kPositions, so a step reaches into the next row at most.
    const __m256i in_row = Broadcast16(std::min(b - column, kPositions));
    for (int v = 0; v < kVectors; ++v) {
      const __m256i lanes = _mm256_load_si256(reinterpret_cast<__m256i*>(&numbers[16 * v]));
      const __m256i next_row = AtLeast(lanes, in_row);
      left[v] = _mm256_sub_epi16(Broadcast16(row), next_row);
      right[v] = _mm256_sub_epi16(_mm256_add_epi16(Broadcast16(column), lanes),
                                  _mm256_and_si256(next_row, right_radix));
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
    __m256i inside = _mm256_set1_epi32(-1);
    for (int v = 0; v < kVectors; ++v) {
      uint32_t* const images = &out[done + 16 * v];
      const __m256i low = Join(_mm256_castsi256_si128(left[v]), _mm256_castsi256_si128(right[v]),
                               wide_b, last, images);
      const __m256i high = Join(_mm256_extracti128_si256(left[v], 1),
                                _mm256_extracti128_si256(right[v], 1), wide_b, last, images + 8);
      inside = _mm256_and_si256(inside, _mm256_and_si256(low, high));
    }
    if (_mm256_movemask_epi8(inside) != -1) WalkInside(network, out.subspan(done, kPositions));
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
