// Random bits of many samples at once.

#ifndef SUBSET_SAMPLING_PHILOX_OF_SAMPLES_H_
#define SUBSET_SAMPLING_PHILOX_OF_SAMPLES_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "sampling/philox.h"

namespace subset::sampling {

// Writes out[k] = Philox(key, sample_at(k)): by SIMD where samples follow each other.
template <typename SampleAt>
void PhiloxOfSamples(const PhiloxKey& key, SampleAt sample_at, absl::Span<PhiloxBlock> out) {
  if (out.empty()) return;
  const uint64_t first = sample_at(0);
  bool in_turn = true;
  for (size_t k = 0; k < out.size(); ++k) in_turn &= sample_at(k) == first + k;
  if (in_turn) return PhiloxFill(key, first, 0, out);
  for (size_t k = 0; k < out.size(); ++k) out[k] = Philox(key, sample_at(k));
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PHILOX_OF_SAMPLES_H_
