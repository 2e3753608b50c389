#include "sampling/strata.h"

#include <algorithm>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset::sampling {
namespace {

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

template <typename T, typename F>
void ForEachValue(const ColumnView& column, uint64_t num_samples, F f) {
  for (uint64_t first = 0; first < num_samples; first += kChunkSamples) {
    const T* chunk = static_cast<const T*>(column.chunks[first / kChunkSamples]);
    const uint64_t count = std::min(kChunkSamples, num_samples - first);
    for (uint64_t i = 0; i < count; ++i) {
      if (!f(first + i, chunk[i])) return;
    }
  }
}

template <typename T, typename Numbers>
absl::StatusOr<std::shared_ptr<const Strata>> Build(const ColumnView& column,
                                                    uint64_t num_samples) {
  Numbers numbers;
  std::vector<uint64_t> counts(numbers.values().size());
  ForEachValue<T>(column, num_samples, [&](uint64_t, T value) {
    const uint32_t number = numbers.Number(value);
    if (number >= counts.size()) counts.resize(number + 1);
    ++counts[number];
    return counts.size() <= kMaxStrata;
  });
  if (counts.size() > kMaxStrata) {
    return InvalidField("proportion.column",
                        absl::StrCat("has more than ", kMaxStrata, " distinct values"));
  }

  std::vector<uint32_t> order;  // numbers of the values that occur, by value
  for (uint32_t number = 0; number < counts.size(); ++number) {
    if (counts[number] > 0) order.push_back(number);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return numbers.values()[a] < numbers.values()[b]; });

  auto strata = std::make_shared<Strata>();
  strata->members.resize(num_samples);
  std::vector<uint64_t> next(counts.size());
  uint64_t offset = 0;
  for (const uint32_t number : order) {
    strata->values.push_back(static_cast<int64_t>(numbers.values()[number]));
    strata->offsets.push_back(offset);
    next[number] = offset;
    offset += counts[number];
  }
  strata->offsets.push_back(offset);
  ForEachValue<T>(column, num_samples, [&](uint64_t i, T value) {
    strata->members[next[numbers.Number(value)]++] = static_cast<uint32_t>(i);
    return true;
  });
  return strata;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildStrata(const ColumnView& column,
                                                          uint64_t num_samples) {
  switch (column.type) {
    case ColumnView::Type::kUint8:
      return Build<uint8_t, SmallValueNumbers<uint8_t>>(column, num_samples);
    case ColumnView::Type::kUint16:
      return Build<uint16_t, SmallValueNumbers<uint16_t>>(column, num_samples);
    case ColumnView::Type::kUint32:
      return Build<uint32_t, ValueNumbers<uint32_t>>(column, num_samples);
    default:
      break;
  }
  return Build<int64_t, ValueNumbers<int64_t>>(column, num_samples);
}

}  // namespace subset::sampling
