#include <algorithm>

#include "sampling/weight_index_walk.h"

namespace subset::sampling::weight_index_internal {
namespace {

constexpr size_t kGroup = 32;  // draws walked together: one level for all of them, then the next

}  // namespace

void FindPortable(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                  absl::Span<uint32_t> weights) {
  uint64_t rest[kGroup];  // the target within the node
  uint64_t node[kGroup];
  for (size_t begin = 0; begin < targets.size(); begin += kGroup) {
    const size_t count = std::min(kGroup, targets.size() - begin);
    std::copy_n(&targets[begin], count, rest);
    std::fill_n(node, count, 0);
    for (int level = tree.num_levels - 1; level >= 0; --level) {
      const uint64_t* const nodes = tree.levels[level];
      const void* const below = level > 0 ? static_cast<const void*>(tree.levels[level - 1])
                                          : static_cast<const void*>(tree.leaves);
      for (size_t i = 0; i < count; ++i) {
        const uint64_t* const entries = nodes + node[i] * kFanOut;
        uint64_t child = 0;
        for (uint64_t c = 1; c < kFanOut; ++c) child += entries[c] <= rest[i];
        rest[i] -= entries[child];
        node[i] = node[i] * kFanOut + child;
        __builtin_prefetch(static_cast<const char*>(below) + node[i] * 64);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const Leaf* const line = tree.leaves + node[i] * kLineLeaves;
      uint64_t slot = 0;
      uint32_t weight = LeafWeight(line[0]);
      while (rest[i] >= weight) {
        rest[i] -= weight;
        weight = LeafWeight(line[++slot]);
      }
      slots[begin + i] = static_cast<uint32_t>(node[i] * kLineLeaves + slot);
      weights[begin + i] = weight;
    }
  }
}

uint64_t SetPortable(const MutableTree& tree, absl::Span<const uint32_t> slots,
                     absl::Span<const Leaf> leaves) {
  constexpr size_t kAhead = 16;
  uint64_t total_change = 0;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (i + kAhead < slots.size()) {
      const uint64_t line = slots[i + kAhead] / kLineLeaves;
      __builtin_prefetch(tree.leaves + line * kLineLeaves, 1);
      __builtin_prefetch(tree.levels[0] + line, 1);
    }
    Leaf& leaf = tree.leaves[slots[i]];
    const uint64_t change = uint64_t{LeafWeight(leaves[i])} - LeafWeight(leaf);
    leaf = leaves[i];
    total_change += change;
    uint64_t child = slots[i] / kLineLeaves;
    for (int level = 0; level < tree.num_levels; ++level) {
      uint64_t* const entries = tree.levels[level] + child / kFanOut * kFanOut;
      for (uint64_t c = child % kFanOut + 1; c < kFanOut; ++c) entries[c] += change;
      child /= kFanOut;
    }
  }
  return total_change;
}

}  // namespace subset::sampling::weight_index_internal
