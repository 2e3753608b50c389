// Exact integer weights of n slots under sums, for drawing many at a time and changing any.
//
// A wide tree: 16-bit leaves (leaf.h), 32 to a cache line; a u32 sum for each line; u64 sums above.
// The sums are exact integers, so the state is a pure function of the leaves: no drift, no history,
// the same draw after every restart. About 2.2 bytes a slot. Draws are walked many at a time so that
// their cache misses overlap; SIMD is chosen at run time and gives the same result as the plain path.

#ifndef SUBSET_SAMPLING_WEIGHT_INDEX_H_
#define SUBSET_SAMPLING_WEIGHT_INDEX_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "sampling/leaf.h"

namespace subset::sampling {

// Not thread-safe: const methods may run together, Set alone.
class WeightIndex {
 public:
  // n in [1, 2^32] slots from their leaves. O(n).
  explicit WeightIndex(std::vector<Leaf> leaves);

  uint64_t size() const;
  uint64_t total() const;               // sum of all weights; < 2^59
  Leaf leaf(uint64_t slot) const;
  absl::Span<const Leaf> leaves() const;  // exactly size()
  uint64_t memory_bytes() const;

  // Returns the sum of the weights of slots below `slot` <= n. O(log n).
  uint64_t PrefixSum(uint64_t slot) const;

  // Sets leaves[i] at slots[i], in order (the last value of a repeated slot stays).
  void Set(absl::Span<const uint32_t> slots, absl::Span<const Leaf> leaves);

  // For each target < total() writes the slot whose range [PrefixSum(slot), PrefixSum(slot + 1))
  // holds it, and that slot's weight (never 0). All spans have the same length. A few tens of
  // nanoseconds each in bulk.
  void Find(absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
            absl::Span<uint32_t> weights) const;

 private:
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_WEIGHT_INDEX_H_
