// Which of many consecutive ranges holds a number.

#ifndef SUBSET_SAMPLING_RANGE_LOOKUP_H_
#define SUBSET_SAMPLING_RANGE_LOOKUP_H_

#include <cstdint>
#include <utility>
#include <vector>

namespace subset::sampling {

// Range g is [bounds[g], bounds[g + 1]); ranges may be empty. Immutable; thread-safe. A table over
// the leading bits narrows the binary search to a step or two.
class RangeLookup {
 public:
  RangeLookup() = default;

  // `bounds` starts with 0, never falls, and has at least two entries.
  explicit RangeLookup(std::vector<uint64_t> bounds) : bounds_(std::move(bounds)) {
    const uint64_t total = bounds_.back();
    while ((total >> shift_) > 4 * bounds_.size()) ++shift_;
    uint32_t g = 0;
    for (uint64_t slice = 0; slice <= (total >> shift_) + 1; ++slice) {
      while (g + 2 < bounds_.size() && bounds_[g + 1] <= (slice << shift_)) ++g;
      first_.push_back(g);
    }
  }

  const std::vector<uint64_t>& bounds() const { return bounds_; }
  uint64_t total() const { return bounds_.back(); }
  uint64_t memory_bytes() const { return bounds_.capacity() * 8 + first_.capacity() * 4; }

  // Returns the range that holds x < total().
  uint32_t Find(uint64_t x) const {
    uint32_t low = first_[x >> shift_];
    uint32_t high = first_[(x >> shift_) + 1];
    while (low < high) {
      const uint32_t middle = (low + high + 1) / 2;
      if (bounds_[middle] <= x) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low;
  }

 private:
  std::vector<uint64_t> bounds_;
  std::vector<uint32_t> first_;  // of each slice of 2^shift_ numbers: the range of its first number
  int shift_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANGE_LOOKUP_H_
