#include "sampling/range_bits.h"

#include <algorithm>

#include "sampling/pack_bits.h"
#include "sampling/range_bits_simd.h"
#include "sampling/simd.h"

#define SUBSET_TARGET
#include "sampling/range_bits_loop.inc"

namespace subset::sampling {
namespace range_bits_internal {

const Loops kPortableLoops = {CompareLoop<uint8_t>, CompareLoop<uint16_t>, CompareLoop<uint32_t>,
                              CompareLoop<int64_t>, CompareLoop<float>,    CompareLoop<double>};

namespace {

const Loops& ActiveLoops() {
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return kAvx512Loops;
    case SimdLevel::kAvx2:
      return kAvx2Loops;
#endif
    default:
      return kPortableLoops;
  }
}

}  // namespace
}  // namespace range_bits_internal

template <typename T>
void CompareToRange(absl::Span<const T> values, T low, T high, RangeBits* words) {
  using range_bits_internal::kWord;
  const auto loop = std::get<range_bits_internal::Loop<T>>(range_bits_internal::ActiveLoops());
  const size_t whole = values.size() / kWord;
  const size_t rest = values.size() % kWord;
  loop(values.data(), whole, low, high, words);
  if (rest == 0) return;
  T last[kWord] = {};
  std::copy_n(values.end() - rest, rest, last);
  loop(last, 1, low, high, words + whole);
  const uint64_t valid = (uint64_t{1} << rest) - 1;
  words[whole].below &= valid;
  words[whole].inside &= valid;
}

template void CompareToRange(absl::Span<const uint8_t>, uint8_t, uint8_t, RangeBits*);
template void CompareToRange(absl::Span<const uint16_t>, uint16_t, uint16_t, RangeBits*);
template void CompareToRange(absl::Span<const uint32_t>, uint32_t, uint32_t, RangeBits*);
template void CompareToRange(absl::Span<const int64_t>, int64_t, int64_t, RangeBits*);
template void CompareToRange(absl::Span<const float>, float, float, RangeBits*);
template void CompareToRange(absl::Span<const double>, double, double, RangeBits*);

}  // namespace subset::sampling
