#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "sampling/weight_index_walk.h"

#define SUBSET_TARGET __attribute__((target("avx2,popcnt")))

namespace subset::sampling::weight_index_internal {
namespace {

// Returns the last child whose entry is <= rest.
SUBSET_TARGET inline uint64_t Child(const uint64_t* entries, uint64_t rest) {
  const __m256i target = _mm256_set1_epi64x(static_cast<int64_t>(rest));
  const auto* vectors = reinterpret_cast<const __m256i*>(entries);
  const __m256i above0 = _mm256_cmpgt_epi64(_mm256_loadu_si256(vectors), target);
  const __m256i above1 = _mm256_cmpgt_epi64(_mm256_loadu_si256(vectors + 1), target);
  // The pack mixes the lanes' order, which a count does not mind.
  const __m256i above = _mm256_packs_epi32(above0, above1);
  return 7 - _mm_popcnt_u32(_mm256_movemask_ps(_mm256_castsi256_ps(above)));
}

// The weights of 16 leaves, even and odd ones apart.
struct Weights {
  __m256i even;
  __m256i odd;
};

SUBSET_TARGET inline Weights LoadWeights(const Leaf* leaves) {
  const __m256i leaf = _mm256_load_si256(reinterpret_cast<const __m256i*>(leaves));
  // shift = max(e - 1, 0); mantissa = m, with its leading bit where e > 0.
  const __m256i shift = _mm256_subs_epu16(_mm256_srli_epi16(leaf, 12), _mm256_set1_epi16(1));
  const __m256i mantissa = _mm256_or_si256(_mm256_min_epu16(leaf, _mm256_set1_epi16(0x1000)),
                                           _mm256_and_si256(leaf, _mm256_set1_epi16(0xfff)));
  const __m256i low = _mm256_set1_epi32(0xffff);
  return {_mm256_sllv_epi32(_mm256_and_si256(mantissa, low), _mm256_and_si256(shift, low)),
          _mm256_sllv_epi32(_mm256_srli_epi32(mantissa, 16), _mm256_srli_epi32(shift, 16))};
}

// Inclusive prefix sums of eight lanes.
SUBSET_TARGET inline __m256i PrefixSums(__m256i x) {
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
  x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
  const __m256i low_half = _mm256_permute2x128_si256(x, x, 0x08);  // (0, low half)
  return _mm256_add_epi32(x, _mm256_shuffle_epi32(low_half, 0xff));
}

// Returns how many leaves of the line end at or below target, which is the slot that holds it.
SUBSET_TARGET inline uint32_t SlotInLine(const Leaf* line, uint32_t target) {
  const Weights a = LoadWeights(line);
  const Weights b = LoadWeights(line + 16);
  // Where each leaf ends, shifted by 2^31 so that the signed comparison orders them.
  const __m256i bias = _mm256_set1_epi32(static_cast<int>(0x80000000));
  const __m256i a_odd = _mm256_add_epi32(PrefixSums(_mm256_add_epi32(a.even, a.odd)), bias);
  const __m256i a_sum = _mm256_permutevar8x32_epi32(a_odd, _mm256_set1_epi32(7));
  const __m256i b_odd = _mm256_add_epi32(PrefixSums(_mm256_add_epi32(b.even, b.odd)), a_sum);
  const __m256i a_even = _mm256_sub_epi32(a_odd, a.odd);
  const __m256i b_even = _mm256_sub_epi32(b_odd, b.odd);
  const __m256i at = _mm256_set1_epi32(static_cast<int>(target ^ 0x80000000));
  const __m256i a_above =
      _mm256_packs_epi32(_mm256_cmpgt_epi32(a_even, at), _mm256_cmpgt_epi32(a_odd, at));
  const __m256i b_above =
      _mm256_packs_epi32(_mm256_cmpgt_epi32(b_even, at), _mm256_cmpgt_epi32(b_odd, at));
  const int above = _mm256_movemask_epi8(_mm256_packs_epi16(a_above, b_above));
  return 32 - static_cast<uint32_t>(_mm_popcnt_u32(static_cast<uint32_t>(above)));
}

SUBSET_TARGET inline void AddAfter(uint64_t* entries, uint64_t child, uint64_t change) {
  auto* const vectors = reinterpret_cast<__m256i*>(entries);
  const __m256i at = _mm256_set1_epi64x(static_cast<int64_t>(child));
  const __m256i changes = _mm256_set1_epi64x(static_cast<int64_t>(change));
  const __m256i after0 = _mm256_cmpgt_epi64(_mm256_setr_epi64x(0, 1, 2, 3), at);
  const __m256i after1 = _mm256_cmpgt_epi64(_mm256_setr_epi64x(4, 5, 6, 7), at);
  _mm256_store_si256(
      vectors, _mm256_add_epi64(_mm256_load_si256(vectors), _mm256_and_si256(changes, after0)));
  _mm256_store_si256(vectors + 1, _mm256_add_epi64(_mm256_load_si256(vectors + 1),
                                                   _mm256_and_si256(changes, after1)));
}

}  // namespace
}  // namespace subset::sampling::weight_index_internal

#include "sampling/weight_index_loops.inc"

namespace subset::sampling::weight_index_internal {

void FindAvx2(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
              absl::Span<uint32_t> weights) {
  FindLoop(tree, targets, slots, weights);
}

void SetAvx2(const MutableTree& tree, absl::Span<const uint32_t> slots,
             absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced) {
  SetLoop(tree, slots, leaves, replaced);
}

}  // namespace subset::sampling::weight_index_internal

#endif  // defined(__x86_64__)
