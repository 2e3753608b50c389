// The layout of weight_index.h and the loops over it, one form per SIMD level. Internal.
//
// A line is 32 leaves. A node of level 0 has eight lines below it, a node of level l + 1 eight
// nodes of level l. Entry c of a node is the sum of its children before c, so entry 0 is 0. Entries
// past the last child equal the node's sum: no target reaches them. A child of weight 0 has the
// same entry as the next one, so "the last entry <= target" never chooses it.

#ifndef SUBSET_SAMPLING_WEIGHT_INDEX_WALK_H_
#define SUBSET_SAMPLING_WEIGHT_INDEX_WALK_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "sampling/leaf.h"
#include "sampling/weight_index_directory.h"

namespace subset::sampling::weight_index_internal {

inline constexpr uint64_t kLineLeaves = 32;
inline constexpr uint64_t kFanOut = 8;
inline constexpr int kMaxLevels = 5;

static_assert(kLineLeaves * kMaxLeafWeight < uint64_t{1} << 32, "a line's sum fits in 32 bits");
static_assert((uint64_t{1} << 32) / kLineLeaves >> 3 * kMaxLevels <= Directory::kMaxNodes,
              "2^32 slots need no more levels");

// Levels lowest first.
struct Tree {
  const Leaf* leaves;
  std::array<const uint64_t*, kMaxLevels> levels;
  int num_levels;
  DirectoryView top;  // of the nodes of the highest level
};
struct MutableTree {
  Leaf* leaves;
  std::array<uint64_t*, kMaxLevels> levels;
  int num_levels;
  uint64_t* top_sums;
};

// As WeightIndex::Find.
void FindPortable(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                  absl::Span<uint32_t> weights);

// As WeightIndex::Set; the directory is rebuilt by the caller.
void SetPortable(const MutableTree& tree, absl::Span<const uint32_t> slots,
                 absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced);

#if defined(__x86_64__)
void FindAvx2(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
              absl::Span<uint32_t> weights);
void SetAvx2(const MutableTree& tree, absl::Span<const uint32_t> slots,
             absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced);
void FindAvx512(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                absl::Span<uint32_t> weights);
void SetAvx512(const MutableTree& tree, absl::Span<const uint32_t> slots,
               absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced);
#endif

}  // namespace subset::sampling::weight_index_internal

#endif  // SUBSET_SAMPLING_WEIGHT_INDEX_WALK_H_
