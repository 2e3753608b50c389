// Small numbers for the distinct values of a column.

#ifndef SUBSET_SAMPLING_VALUE_NUMBERS_H_
#define SUBSET_SAMPLING_VALUE_NUMBERS_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "sampling/columns.h"

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

// The values of a column as numbers below values.size().
template <typename T>
struct NumberedValues {
  std::vector<uint16_t> numbers;  // of each sample
  std::vector<T> values;          // that they stand for
};

// Numbers the values of a column of type T. Returns kInvalidArgument naming `field` where it has
// more than kMaxStrata distinct ones.
template <typename T>
absl::StatusOr<NumberedValues<T>> NumberValues(const ColumnView& column, uint64_t num_samples,
                                               absl::string_view field) {
  NumberedValues<T> numbered;
  numbered.numbers.resize(num_samples);
  ValueNumbers<T> numbers;
  for (uint64_t i = 0; i < num_samples; ++i) {
    const T value = static_cast<const T*>(column.chunks[i / kChunkSamples])[i % kChunkSamples];
    numbered.numbers[i] = static_cast<uint16_t>(numbers.Number(value));
    if (numbers.values().size() > kMaxStrata) {
      return InvalidField(field, absl::StrCat("has more than ", kMaxStrata, " distinct values"));
    }
  }
  numbered.values = numbers.values();
  return numbered;
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_VALUE_NUMBERS_H_
