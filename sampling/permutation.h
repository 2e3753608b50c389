// A keyed bijection of [0, n), random access, nothing stored but round keys.
//
// Below 65,537 a keyed Fisher-Yates table is kept, since small Feistel domains fail uniformity
// tests; above, a mixed-radix generalised Feistel network with cycle walking, SIMD over a range.

#ifndef SUBSET_SAMPLING_PERMUTATION_H_
#define SUBSET_SAMPLING_PERMUTATION_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "sampling/permutation_feistel.h"
#include "sampling/philox.h"

namespace subset::sampling {

// Immutable after construction; thread-safe.
class Permutation {
 public:
  // n in [1, 2^32]. O(n) for n <= 65,536 (below 0.5 ms), else O(1).
  Permutation(uint64_t n, const PhiloxKey& key);

  uint64_t size() const { return n_; }

  // Returns the image of `position` < n. O(1).
  uint32_t At(uint64_t position) const;

  // Writes the images of first, first+1, ...; first + out.size() <= n. The same values as At; below
  // 3 nanoseconds each in bulk.
  void Fill(uint64_t first, absl::Span<uint32_t> out) const;

  // Puts the images of positions, each below n, in their place. The same values as At; below 5
  // nanoseconds each in bulk.
  void Map(absl::Span<uint32_t> positions) const;

 private:
  uint64_t n_;
  std::vector<uint16_t> table_;                   // n <= 65,536
  permutation_internal::FeistelNetwork network_;  // larger n
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PERMUTATION_H_
