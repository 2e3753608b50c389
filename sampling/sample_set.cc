#include "sampling/sample_set.h"

#include "sampling/simd.h"

namespace subset::sampling {
namespace {

inline uint64_t CountBits(const uint64_t* words, size_t count) {
  uint64_t bits = 0;
  for (size_t w = 0; w < count; ++w) bits += __builtin_popcountll(words[w]);
  return bits;
}

#if defined(__x86_64__)
// By the instruction, which the lowest of processors has not.
__attribute__((target("popcnt"))) uint64_t CountBitsAtOnce(const uint64_t* words, size_t count) {
  return CountBits(words, count);
}
#endif

}  // namespace

uint64_t SampleSet::Count(size_t first, size_t last) const {
#if defined(__x86_64__)
  if (ActiveSimdLevel() >= SimdLevel::kAvx2)
    return CountBitsAtOnce(words_.data() + first, last - first);
#endif
  return CountBits(words_.data() + first, last - first);
}

}  // namespace subset::sampling
