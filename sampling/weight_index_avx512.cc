#if defined(__x86_64__)

// GCC 12 takes the undefined pass-through operand of its own intrinsics for an uninitialised
// variable (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <algorithm>

#include "sampling/leaf_avx512.h"
#include "sampling/weight_index_walk.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))

namespace subset::sampling::weight_index_internal {
namespace {

SUBSET_TARGET inline uint64_t Child(const uint64_t* entries, uint64_t rest) {
  const __mmask8 at_or_below = _mm512_cmple_epu64_mask(
      _mm512_loadu_si512(entries), _mm512_set1_epi64(static_cast<int64_t>(rest)));
  return static_cast<uint64_t>(_mm_popcnt_u32(at_or_below)) - 1;
}

// Returns how many leaves of the line end at or below rest, which is the leaf that holds it.
SUBSET_TARGET inline uint32_t SlotInLine(const Leaf* line, uint32_t rest) {
  const auto [even, odd] = WeightsOfLine(_mm512_load_si512(line));
  // Prefix sums of the pairs: within quarters, then over the quarters' sums.
  __m512i ends = _mm512_add_epi32(even, odd);
  ends = _mm512_add_epi32(ends, _mm512_bslli_epi128(ends, 4));
  ends = _mm512_add_epi32(ends, _mm512_bslli_epi128(ends, 8));
  const __m512i sums = _mm512_shuffle_epi32(ends, _MM_PERM_DDDD);
  const __m512i one_before = _mm512_maskz_shuffle_i32x4(0xfff0, sums, sums, 0x90);  // 0 0 1 2
  const __m512i two = _mm512_add_epi32(sums, one_before);
  const __m512i two_before = _mm512_maskz_shuffle_i32x4(0xff00, two, two, 0x40);  // 0 0 0 1
  const __m512i odd_ends = _mm512_add_epi32(ends, _mm512_add_epi32(one_before, two_before));
  const __m512i even_ends = _mm512_sub_epi32(odd_ends, odd);
  const __m512i at = _mm512_set1_epi32(static_cast<int>(rest));
  return static_cast<uint32_t>(_mm_popcnt_u32(_mm512_cmple_epu32_mask(odd_ends, at)) +
                               _mm_popcnt_u32(_mm512_cmple_epu32_mask(even_ends, at)));
}

SUBSET_TARGET inline void AddAfter(uint64_t* entries, uint64_t child, uint64_t change) {
  const __m512i old = _mm512_load_si512(entries);
  const auto after = static_cast<__mmask8>(0xfe << child);
  _mm512_store_si512(
      entries,
      _mm512_mask_add_epi64(old, after, old, _mm512_set1_epi64(static_cast<int64_t>(change))));
}

}  // namespace
}  // namespace subset::sampling::weight_index_internal

#include "sampling/weight_index_loops.inc"

namespace subset::sampling::weight_index_internal {

void FindAvx512(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                absl::Span<uint32_t> weights) {
  FindLoop(tree, targets, slots, weights);
}

void SetAvx512(const MutableTree& tree, absl::Span<const uint32_t> slots,
               absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced) {
  SetLoop(tree, slots, leaves, replaced);
}

}  // namespace subset::sampling::weight_index_internal

#endif  // defined(__x86_64__)
