// Membership of a column's value in a given set.

#ifndef SUBSET_SAMPLING_VALUE_SET_H_
#define SUBSET_SAMPLING_VALUE_SET_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"

namespace subset::sampling {

// A bitmap where the values that a T can have lie close together, else a hash set that remembers
// the last answer, since labels come in stretches. Not thread-safe.
template <typename T>
class ValueSet {
 public:
  explicit ValueSet(absl::Span<const int64_t> values) {
    std::vector<T> possible;
    for (const int64_t value : values) {
      if (static_cast<int64_t>(static_cast<T>(value)) == value) {
        possible.push_back(static_cast<T>(value));
      }
    }
    if (possible.empty()) return;
    const auto [least, greatest] = std::minmax_element(possible.begin(), possible.end());
    base_ = static_cast<uint64_t>(*least);
    const uint64_t width = static_cast<uint64_t>(*greatest) - base_;
    if (width < kMaxBits) {
      bits_.resize(width + 1);
      for (const T value : possible) bits_[static_cast<uint64_t>(value) - base_] = true;
    } else {
      hashed_.insert(possible.begin(), possible.end());
      last_ = possible[0];
      last_inside_ = true;
    }
  }

  bool Contains(T value) {
    if (hashed_.empty()) {
      const uint64_t offset = static_cast<uint64_t>(value) - base_;
      return offset < bits_.size() && bits_[offset];
    }
    if (value != last_) {
      last_ = value;
      last_inside_ = hashed_.contains(value);
    }
    return last_inside_;
  }

 private:
  static constexpr uint64_t kMaxBits = uint64_t{1} << 24;

  uint64_t base_ = 0;
  std::vector<bool> bits_;
  absl::flat_hash_set<T> hashed_;
  T last_ = 0;
  bool last_inside_ = false;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_VALUE_SET_H_
