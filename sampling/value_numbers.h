// Small numbers for the distinct values of a column.

#ifndef SUBSET_SAMPLING_VALUE_NUMBERS_H_
#define SUBSET_SAMPLING_VALUE_NUMBERS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace subset::sampling {

// Numbers values by first appearance. The last value is remembered, since labels come in stretches.
template <typename T>
class ValueNumbers {
 public:
  // Returns the number of `value`, a new one where it was never seen.
  uint32_t Number(T value) {
    if (any_ && value == last_value_) return last_number_;
    const auto [it, inserted] = numbers_.try_emplace(value, values_.size());
    if (inserted) values_.push_back(value);
    any_ = true;
    last_value_ = value;
    last_number_ = it->second;
    return last_number_;
  }
  const std::vector<T>& values() const { return values_; }

 private:
  absl::flat_hash_map<T, uint32_t> numbers_;
  std::vector<T> values_;
  bool any_ = false;
  T last_value_ = 0;
  uint32_t last_number_ = 0;
};

// Small types number their values by themselves.
template <typename T>
class SmallValueNumbers {
 public:
  SmallValueNumbers() {
    for (uint32_t v = 0; v < (uint32_t{1} << (8 * sizeof(T))); ++v) values_.push_back(v);
  }
  uint32_t Number(T value) { return value; }
  const std::vector<T>& values() const { return values_; }

 private:
  std::vector<T> values_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_VALUE_NUMBERS_H_
