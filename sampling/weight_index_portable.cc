#include <algorithm>

#include "sampling/weight_index_walk.h"

#define SUBSET_TARGET

namespace subset::sampling::weight_index_internal {
namespace {

inline uint64_t Child(const uint64_t* entries, uint64_t rest) {
  uint64_t child = 0;
  for (uint64_t c = 1; c < kFanOut; ++c) child += entries[c] <= rest;
  return child;
}

inline uint32_t SlotInLine(const Leaf* line, uint32_t rest) {
  uint32_t slot = 0;
  for (uint32_t weight = LeafWeight(line[0]); rest >= weight; weight = LeafWeight(line[++slot])) {
    rest -= weight;
  }
  return slot;
}

inline void AddAfter(uint64_t* entries, uint64_t child, uint64_t change) {
  for (uint64_t c = child + 1; c < kFanOut; ++c) entries[c] += change;
}

}  // namespace
}  // namespace subset::sampling::weight_index_internal

#include "sampling/weight_index_loops.inc"

namespace subset::sampling::weight_index_internal {

void FindPortable(const Tree& tree, absl::Span<const uint64_t> targets, absl::Span<uint32_t> slots,
                  absl::Span<uint32_t> weights) {
  FindLoop(tree, targets, slots, weights);
}

void SetPortable(const MutableTree& tree, absl::Span<const uint32_t> slots,
                 absl::Span<const Leaf> leaves, absl::Span<Leaf> replaced) {
  SetLoop(tree, slots, leaves, replaced);
}

}  // namespace subset::sampling::weight_index_internal
