// Exact integer weights of n slots under sums, for drawing many at a time and changing any.
//
// A wide tree: 16-bit leaves (leaf.h), 32 to a cache line; above them nodes of one cache line, each
// the u64 prefix sums of its eight children, so that a step down is one comparison of eight lanes;
// on top a directory of at most 8,192 nodes. The sums are exact integers, so the state is a pure
// function of the leaves: no drift, no history, the same draw after every restart. 2.29 bytes a
// slot. Draws are walked many at a time so that their cache misses overlap; SIMD is chosen at run
// time and gives the same result as the plain path.

#ifndef SUBSET_SAMPLING_WEIGHT_INDEX_H_
#define SUBSET_SAMPLING_WEIGHT_INDEX_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "sampling/huge_array.h"
#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/weight_index_walk.h"

namespace subset::sampling {

// Sums up slots first .. last - 1, which are a part (parts.h), from their leaves.
using SumPart = absl::FunctionRef<LeafSums(uint64_t first, uint64_t last)>;
// Writes all leaves, and calls sum_part once for each part whose leaves are written, best while
// they are in the cache; parts may be worked on by several threads.
using FillLeaves = absl::FunctionRef<void(absl::Span<Leaf> leaves, SumPart sum_part)>;

// Not thread-safe: const methods may run together, Set alone. Copies are independent.
class WeightIndex {
 public:
  // n in [1, 2^32] slots from their leaves. O(n).
  explicit WeightIndex(const std::vector<Leaf>& leaves);

  // The same, without a second copy of the leaves: `fill` is called once, with n leaves that are 0.
  WeightIndex(uint64_t n, FillLeaves fill);

  uint64_t size() const { return n_; }
  uint64_t total() const { return top_.total(); }  // sum of all weights; < 2^59
  Leaf leaf(uint64_t slot) const { return leaves_[slot]; }
  absl::Span<const Leaf> leaves() const { return {leaves_.data(), n_}; }  // exactly size()
  uint64_t memory_bytes() const;

  // Returns the sum of the weights of slots below `slot` <= n. O(log n).
  uint64_t PrefixSum(uint64_t slot) const;

  // Sets leaves[i] at slots[i], in order (the last value of a repeated slot stays), and writes the
  // leaf each one replaces to `replaced`, which is empty or of the same length. A few tens of
  // nanoseconds each and up to ten microseconds for the call.
  void Set(absl::Span<const uint32_t> slots, absl::Span<const Leaf> leaves,
           absl::Span<Leaf> replaced = {});

  // For each target < total() writes the slot whose range [PrefixSum(slot), PrefixSum(slot + 1))
  // holds it, and that slot's weight (never 0). All spans have the same length. A few tens of
  // nanoseconds each in bulk.
  void Find(absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
            absl::Span<uint32_t> weights) const;

 private:
  using Levels = std::array<uint64_t, weight_index_internal::kMaxLevels>;

  LeafSums SumLeaves(uint64_t first, uint64_t last);
  void SumNodes(int level, uint64_t first, uint64_t last);
  weight_index_internal::Tree tree() const;
  weight_index_internal::MutableTree mutable_tree();

  uint64_t n_;
  int levels_ = 0;             // of nodes; level 0 is the lowest, over the lines
  Levels level_start_{};       // in nodes_
  HugeArray<Leaf> leaves_;     // padded with 0 to whole lines
  HugeArray<uint64_t> nodes_;  // all levels, the highest first
  weight_index_internal::Directory top_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_WEIGHT_INDEX_H_
