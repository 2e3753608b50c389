#include "sampling/weight_index.h"

#include <algorithm>

#include "base/log.h"
#include "sampling/parts.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

using weight_index_internal::Directory;
using weight_index_internal::kFanOut;
using weight_index_internal::kLineLeaves;
using weight_index_internal::kMaxLevels;
using weight_index_internal::MutableTree;
using weight_index_internal::Tree;

uint64_t DivideUp(uint64_t x, uint64_t y) { return (x + y - 1) / y; }

// Turns the sums of a node's children into prefix sums; returns the node's sum.
uint64_t MakePrefixSums(uint64_t* entries) {
  uint64_t sum = 0;
  for (uint64_t c = 0; c < kFanOut; ++c) {
    const uint64_t child = entries[c];
    entries[c] = sum;
    sum += child;
  }
  return sum;
}

}  // namespace

WeightIndex::WeightIndex(const std::vector<Leaf>& leaves)
    : WeightIndex(leaves.size(), [&leaves](absl::Span<Leaf> out, SumPart sum_part) {
        std::copy(leaves.begin(), leaves.end(), out.begin());
        ForEachPart(nullptr, leaves.size(),
                    [&](size_t, uint64_t first, uint64_t last) { sum_part(first, last); });
      }) {}

WeightIndex::WeightIndex(uint64_t n, FillLeaves fill) : n_(n) {
  SUBSET_CHECK(n >= 1 && n <= uint64_t{1} << 32);
  const uint64_t lines = DivideUp(n, kLineLeaves);
  Levels level_nodes{};
  uint64_t children = lines;
  do {
    children = level_nodes[levels_++] = DivideUp(children, kFanOut);
  } while (children > Directory::kMaxNodes);
  uint64_t size = 0;
  for (int level = levels_ - 1; level >= 0; --level) {
    level_start_[level] = size;
    size += level_nodes[level] * kFanOut;
  }
  leaves_ = HugeArray<Leaf>(lines * kLineLeaves);
  nodes_ = HugeArray<uint64_t>(size);

  top_ = Directory(level_nodes[levels_ - 1]);
  fill(absl::MakeSpan(leaves_.data(), n),
       [this](uint64_t first, uint64_t last) { return SumLeaves(first, last); });
  for (int level = 1; level < levels_; ++level) SumNodes(level, 0, level_nodes[level]);
  top_.Rebuild();
}

// Lines, and the nodes right above them.
LeafSums WeightIndex::SumLeaves(uint64_t first, uint64_t last) {
  static_assert(kPartSize % (kLineLeaves * kFanOut) == 0, "a part is of whole nodes");
  const uint64_t first_line = first / kLineLeaves;
  const uint64_t lines = DivideUp(last, kLineLeaves) - first_line;
  const LeafSums sums = SumLines({leaves_.data() + first, lines * kLineLeaves},
                                 {nodes_.data() + level_start_[0] + first_line, lines});
  SumNodes(0, first_line / kFanOut, DivideUp(first_line + lines, kFanOut));
  return sums;
}

// Makes the sums of these nodes' children prefix sums, and theirs those of the level above.
void WeightIndex::SumNodes(int level, uint64_t first, uint64_t last) {
  uint64_t* const nodes = nodes_.data() + level_start_[level];
  uint64_t* const sums =
      level + 1 < levels_ ? nodes_.data() + level_start_[level + 1] : top_.sums();
  for (uint64_t node = first; node < last; ++node) {
    sums[node] = MakePrefixSums(nodes + node * kFanOut);
  }
}

Tree WeightIndex::tree() const {
  Tree tree{leaves_.data(), {}, levels_, top_.view()};
  for (int level = 0; level < levels_; ++level) {
    tree.levels[level] = nodes_.data() + level_start_[level];
  }
  return tree;
}

MutableTree WeightIndex::mutable_tree() {
  MutableTree tree{leaves_.data(), {}, levels_, top_.sums()};
  for (int level = 0; level < levels_; ++level) {
    tree.levels[level] = nodes_.data() + level_start_[level];
  }
  return tree;
}

uint64_t WeightIndex::memory_bytes() const {
  return sizeof(*this) + leaves_.size() * sizeof(Leaf) + nodes_.size() * sizeof(uint64_t) +
         top_.memory_bytes();
}

uint64_t WeightIndex::PrefixSum(uint64_t slot) const {
  if (slot == n_) return total();
  uint64_t sum = 0;
  uint64_t child = slot / kLineLeaves;
  for (uint64_t i = child * kLineLeaves; i < slot; ++i) sum += LeafWeight(leaves_[i]);
  for (int level = 0; level < levels_; ++level) {
    sum += nodes_[level_start_[level] + child];
    child /= kFanOut;
  }
  return sum + top_.PrefixSum(child);
}

void WeightIndex::Set(absl::Span<const uint32_t> slots, absl::Span<const Leaf> leaves,
                      absl::Span<Leaf> replaced) {
  if (slots.empty()) return;
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      weight_index_internal::SetAvx512(mutable_tree(), slots, leaves, replaced);
      break;
    case SimdLevel::kAvx2:
      weight_index_internal::SetAvx2(mutable_tree(), slots, leaves, replaced);
      break;
#endif
    default:
      weight_index_internal::SetPortable(mutable_tree(), slots, leaves, replaced);
  }
  top_.Rebuild();
}

void WeightIndex::Find(absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                       absl::Span<uint32_t> weights) const {
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return weight_index_internal::FindAvx512(tree(), targets, slots, weights);
    case SimdLevel::kAvx2:
      return weight_index_internal::FindAvx2(tree(), targets, slots, weights);
#endif
    default:
      return weight_index_internal::FindPortable(tree(), targets, slots, weights);
  }
}

}  // namespace subset::sampling
