#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through operand of its own intrinsics for an uninitialised
// variable (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sampling/leaf_avx512.h"
#include "sampling/leaf_bulk_simd.h"
#include "sampling/leaf_math.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))
#include "sampling/leaf_bulk_loops.inc"

namespace subset::sampling::leaf_bulk_internal {
namespace {

constexpr size_t kFloats = 16;  // to a vector

SUBSET_TARGET inline __m512i Repeat(uint32_t value) {
  return _mm512_set1_epi32(static_cast<int>(value));
}

// A table of 32 floats, looked up by the low five bits of each index.
struct Table {
  SUBSET_TARGET explicit Table(const float* values)
      : low(_mm512_loadu_ps(values)), high(_mm512_loadu_ps(values + kFloats)) {}
  SUBSET_TARGET __m512 At(__m512i index) const { return _mm512_permutex2var_ps(low, index, high); }

  __m512 low;
  __m512 high;
};

// The weights of 16 scores, by tables in registers.
struct Powers {
  SUBSET_TARGET explicit Powers(const QuickLaw& law)
      : octaves(law.octaves), inverses(law.inverses), powers(law.powers) {
    for (int k = 0; k < 3; ++k) series[k] = _mm512_set1_ps(law.series[k]);
  }
  SUBSET_TARGET __m512 Weights(__m512 scores) const {
    const __m512 one = _mm512_set1_ps(1);
    const __m512i bits = _mm512_castps_si512(scores);
    const __m512i cell = _mm512_srli_epi32(bits, 18);
    const __m512 m = _mm512_castsi512_ps(
        _mm512_or_si512(_mm512_and_si512(bits, Repeat(0x007fffff)), _mm512_castps_si512(one)));
    const __m512 r = _mm512_fmsub_ps(m, inverses.At(cell), one);
    __m512 power = _mm512_fmadd_ps(series[2], r, series[1]);
    power = _mm512_fmadd_ps(power, r, series[0]);
    power = _mm512_fmadd_ps(power, r, one);
    return _mm512_mul_ps(_mm512_mul_ps(power, powers.At(cell)),
                         octaves.At(_mm512_srli_epi32(bits, 23)));
  }

  Table octaves;
  Table inverses;
  Table powers;
  __m512 series[3];
};

struct Products {
  SUBSET_TARGET explicit Products(const QuickLaw& law) : factor(_mm512_set1_ps(law.factor)) {}
  SUBSET_TARGET __m512 Weights(__m512 scores) const { return _mm512_mul_ps(scores, factor); }

  __m512 factor;
};

// QuickLeaves of leaf_quick_block.inc: writes 16 leaves, and returns which are in doubt.
SUBSET_TARGET inline __mmask16 WriteLeaves(const QuickLaw& law, __m512 scores, __m512 weights,
                                           Leaf* leaves) {
  const __m512i score_bits = _mm512_castps_si512(scores);
  const __m512 grid = _mm512_set1_ps(8192);
  const __mmask16 small = _mm512_cmp_ps_mask(weights, grid, _CMP_LT_OQ);
  __m512i bits = _mm512_castps_si512(_mm512_mask_add_ps(weights, small, weights, grid));
  bits = _mm512_mask_slli_epi32(bits, small, bits, 1);
  bits = _mm512_add_epi32(bits, Repeat(1024));
  const __m512i leaf = _mm512_sub_epi32(
      _mm512_srli_epi32(bits, 11), _mm512_mask_blend_epi32(small, Repeat(0xa000), Repeat(0x8000)));

  __mmask16 known = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(score_bits, Repeat(law.first_bits)),
                                            Repeat(law.num_bits));
  known = _mm512_mask_cmp_ps_mask(known, weights, _mm512_set1_ps(1), _CMP_GE_OQ);
  known = _mm512_mask_cmp_ps_mask(known, weights, _mm512_set1_ps(0x1p26f), _CMP_LT_OQ);
  const __m512i below = _mm512_and_si512(_mm512_add_epi32(bits, Repeat(law.off)), Repeat(0x7ff));
  known = _mm512_mask_cmpgt_epu32_mask(known, below, Repeat(2 * law.off));

  const __mmask16 positive = _mm512_cmp_ps_mask(scores, _mm512_setzero_ps(), _CMP_GT_OQ);
  const __mmask16 unscored = _mm512_cmp_ps_mask(scores, scores, _CMP_UNORD_Q);
  const __m512i all = _mm512_mask_mov_epi32(_mm512_maskz_mov_epi32(positive, leaf), unscored,
                                            Repeat(law.unscored_leaf));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(leaves), _mm512_cvtepi32_epi16(all));
  return static_cast<__mmask16>(positive & ~known);
}

template <typename Maker>
SUBSET_TARGET void WriteBlock(const QuickLaw& law, const float* scores, Leaf* leaves,
                              uint64_t* doubts) {
  const Maker maker(law);
  for (size_t word = 0; word < kBlock / kWord; ++word) {
    uint64_t doubt = 0;
    for (size_t k = 0; k < kWord; k += kFloats) {
      const __m512 some = _mm512_loadu_ps(scores + word * kWord + k);
      const __mmask16 mask = WriteLeaves(law, some, maker.Weights(some), leaves + word * kWord + k);
      doubt |= uint64_t{mask} << k;
    }
    doubts[word] = doubt;
  }
}

SUBSET_TARGET void QuickBlock(const QuickLaw& law, const float* scores, Leaf* leaves,
                              uint64_t* doubts) {
  if (law.is_power) {
    WriteBlock<Powers>(law, scores, leaves, doubts);
  } else {
    WriteBlock<Products>(law, scores, leaves, doubts);
  }
}

// The sum of 16 words, below 2^32: as signed words, which _mm512_reduce_add_epi32 adds, it
// overflows.
SUBSET_TARGET inline uint32_t SumOf(__m512i words) {
  const __m256i eight =
      _mm256_add_epi32(_mm512_castsi512_si256(words), _mm512_extracti64x4_epi64(words, 1));
  const __m128i four =
      _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  const __m128i two = _mm_add_epi32(four, _mm_srli_si128(four, 8));
  const auto pair = static_cast<uint64_t>(_mm_cvtsi128_si64(two));
  return static_cast<uint32_t>(pair) + static_cast<uint32_t>(pair >> 32);
}

// Adds up lines of 32 leaves, kMost of them: squares of weights, which are below 2^54, go to 8
// lanes.
struct LineSums {
  static constexpr size_t kMost = 256;

  SUBSET_TARGET LineSums() : squares(_mm512_setzero_si512()) {}

  // Adds a line; returns the sum of its weights.
  SUBSET_TARGET uint32_t Add(const Leaf* line) {
    const __m512i leaf = _mm512_loadu_si512(line);
    const auto [even, odd] = WeightsOfLine(leaf);
    AddSquares(even);
    AddSquares(odd);
    positive += static_cast<uint64_t>(_mm_popcnt_u32(_mm512_test_epi16_mask(leaf, leaf)));
    const uint32_t sum = SumOf(_mm512_add_epi32(even, odd));
    total += sum;
    return sum;
  }

  SUBSET_TARGET void AddSquares(__m512i weights) {
    const __m512i high = _mm512_srli_epi64(weights, 32);
    squares = _mm512_add_epi64(squares, _mm512_mul_epu32(weights, weights));
    squares = _mm512_add_epi64(squares, _mm512_mul_epu32(high, high));
  }

  SUBSET_TARGET void AddTo(LeafSums* sums) const {
    uint64_t lanes[8];
    _mm512_storeu_si512(lanes, squares);
    for (const uint64_t lane : lanes) sums->total_squares += lane;
    sums->total += total;
    sums->positive += positive;
  }

  __m512i squares;
  uint64_t total = 0;
  uint64_t positive = 0;
};

SUBSET_TARGET LeafSums LinesLoop(const Leaf* leaves, size_t lines, uint64_t* line_sums) {
  LeafSums all;
  for (size_t first = 0; first < lines; first += LineSums::kMost) {
    LineSums sums;
    const size_t last = std::min(first + LineSums::kMost, lines);
    for (size_t line = first; line < last; ++line)
      line_sums[line] = sums.Add(leaves + line * kLine);
    sums.AddTo(&all);
  }
  return all;
}

SUBSET_TARGET LeafSums SumLoop(const Leaf* leaves, size_t count) {
  LeafSums all;
  while (count > 0) {
    LineSums sums;
    for (size_t line = 0; line < LineSums::kMost && count > 0; ++line) {
      Leaf padded[kLine] = {};
      const size_t size = std::min(kLine, count);
      sums.Add(size == kLine ? leaves : std::copy_n(leaves, size, padded) - size);
      leaves += size;
      count -= size;
    }
    sums.AddTo(&all);
  }
  return all;
}

}  // namespace
}  // namespace subset::sampling::leaf_bulk_internal

#include "sampling/leaf_quick_loops.inc"

namespace subset::sampling::leaf_bulk_internal {

const Loops kAvx512Loops = {EncodeLoop, QuickLoop, PowersLoop,      AddLoop, AddLoop,
                            KeepLoop,   RatioLoop, ExponentialLoop, SumLoop, LinesLoop};

}  // namespace subset::sampling::leaf_bulk_internal

#endif  // defined(__x86_64__)
