#include "sampling/weight_index_directory.h"

#include <algorithm>

namespace subset::sampling::weight_index_internal {
namespace {

constexpr size_t kPadding = 8;  // one comparison reads this many from any node on
constexpr uint64_t kAboveEveryTarget = uint64_t{1} << 62;

// Returns the number of bits of x: 0 for 0.
int BitWidth(uint64_t x) { return x == 0 ? 0 : 64 - __builtin_clzll(x); }

}  // namespace

Directory::Directory(uint64_t num_nodes)
    : sums_(num_nodes),
      prefix_sums_(num_nodes + kPadding, kAboveEveryTarget),
      guide_bits_(std::min(BitWidth(num_nodes) + 1, 13)) {
  guide_.resize((size_t{1} << guide_bits_) + 1);
}

void Directory::Rebuild() {
  uint64_t sum = 0;
  for (size_t node = 0; node < sums_.size(); ++node) {
    prefix_sums_[node] = sum;
    sum += sums_[node];
  }
  total_ = sum;

  // Pieces of 2^shift targets cover [0, total). Each node is noted at the first piece that begins
  // in or after it; pieces in between belong to the node noted last.
  shift_ = std::max(0, BitWidth(sum == 0 ? 0 : sum - 1) - guide_bits_);
  std::fill(guide_.begin(), guide_.end(), uint16_t{0});
  const uint64_t round_up = (uint64_t{1} << shift_) - 1;
  for (size_t node = 1; node < sums_.size(); ++node) {
    const uint64_t piece = (prefix_sums_[node] + round_up) >> shift_;
    guide_[piece] = static_cast<uint16_t>(node);  // later nodes, at the same sum or above, win
  }
  uint16_t last = 0;
  for (uint16_t& node : guide_) node = last = std::max(last, node);
}

uint64_t Directory::memory_bytes() const {
  return (sums_.capacity() + prefix_sums_.capacity()) * sizeof(uint64_t) +
         guide_.capacity() * sizeof(uint16_t);
}

}  // namespace subset::sampling::weight_index_internal
