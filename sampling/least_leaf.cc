#include "sampling/least_leaf.h"

#include <algorithm>

namespace subset::sampling {
namespace {

constexpr uint64_t kFanOut = 64;
constexpr uint16_t kNone = 0xffff;  // of a leaf of 0

template <typename Value>
uint16_t Least(absl::Span<const Value> values, uint64_t first, uint64_t last, uint16_t offset) {
  uint16_t least = kNone;
  for (uint64_t i = first; i < last; ++i) {
    least = std::min(least, static_cast<uint16_t>(values[i] - offset));
  }
  return least;
}

}  // namespace

LeastLeaf::LeastLeaf(absl::Span<const Leaf> leaves) {
  uint16_t offset = 1;
  for (absl::Span<const uint16_t> below = leaves; levels_.empty() || below.size() > 1;) {
    std::vector<uint16_t> level((below.size() + kFanOut - 1) / kFanOut);
    for (uint64_t b = 0; b < level.size(); ++b) {
      level[b] =
          Least(below, b * kFanOut, std::min<uint64_t>((b + 1) * kFanOut, below.size()), offset);
    }
    offset = 0;
    levels_.push_back(std::move(level));
    below = levels_.back();
  }
}

void LeastLeaf::Update(absl::Span<const Leaf> leaves, absl::Span<const uint32_t> slots) {
  for (uint64_t slot : slots) {
    absl::Span<const uint16_t> below = leaves;
    uint16_t offset = 1;
    for (std::vector<uint16_t>& level : levels_) {
      const uint64_t b = slot / kFanOut;
      const uint16_t least =
          Least(below, b * kFanOut, std::min<uint64_t>((b + 1) * kFanOut, below.size()), offset);
      if (least == level[b]) break;
      level[b] = least;
      slot = b;
      below = level;
      offset = 0;
    }
  }
}

Leaf LeastLeaf::Find(absl::Span<const Leaf> leaves, uint64_t first, uint64_t last) const {
  uint16_t least = kNone;
  absl::Span<const uint16_t> values = leaves;
  uint16_t offset = 1;
  for (size_t level = 0; first < last; ++level) {
    const uint64_t inner_first = (first + kFanOut - 1) / kFanOut;
    const uint64_t inner_last = last / kFanOut;
    if (inner_first >= inner_last || level == levels_.size()) {
      least = std::min(least, Least(values, first, last, offset));
      break;
    }
    least = std::min(least, Least(values, first, inner_first * kFanOut, offset));
    least = std::min(least, Least(values, inner_last * kFanOut, last, offset));
    first = inner_first;
    last = inner_last;
    values = levels_[level];
    offset = 0;
  }
  return static_cast<Leaf>(least + 1);
}

}  // namespace subset::sampling
