#include "sampling/column_codes.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

// Numbers values in ascending order; false where they are more than kMaxStrata.
template <typename T>
bool NumberValues(const ColumnView& column, uint64_t num_samples, uint16_t* numbers,
                  std::vector<int64_t>* values) {
  absl::flat_hash_map<T, uint16_t> seen;
  T last = 0;  // labels come in stretches
  uint16_t number = 0;
  for (uint64_t i = 0; i < num_samples; ++i) {
    const T value = static_cast<const T*>(column.chunks[i / kChunkSamples])[i % kChunkSamples];
    if (seen.empty() || value != last) {
      const auto [it, inserted] = seen.try_emplace(value, static_cast<uint16_t>(seen.size()));
      if (inserted) values->push_back(static_cast<int64_t>(value));
      if (seen.size() > kMaxStrata) return false;
      last = value;
      number = it->second;
    }
    numbers[i] = number;
  }
  const std::vector<int64_t> by_number = *values;
  std::sort(values->begin(), values->end());
  std::vector<uint16_t> ranks;
  for (const int64_t value : by_number) {
    const auto at = std::lower_bound(values->begin(), values->end(), value);
    ranks.push_back(static_cast<uint16_t>(at - values->begin()));
  }
  for (uint64_t i = 0; i < num_samples; ++i) numbers[i] = ranks[numbers[i]];
  return true;
}

}  // namespace

absl::StatusOr<ColumnCodes> ColumnCodes::Create(const ColumnView& column, uint64_t num_samples,
                                                absl::string_view field) {
  ColumnCodes codes;
  codes.column_ = column;
  codes.bytes_ = column.type == ColumnView::Type::kUint8;
  if (codes.bytes_ || column.type == ColumnView::Type::kUint16) {
    codes.num_codes_ = size_t{1} << (codes.bytes_ ? 8 : 16);
    return codes;
  }
  codes.numbers_ = HugeArray<uint16_t>(num_samples);
  uint16_t* const numbers = codes.numbers_.data();
  const bool fits = column.type == ColumnView::Type::kUint32
                        ? NumberValues<uint32_t>(column, num_samples, numbers, &codes.values_)
                        : NumberValues<int64_t>(column, num_samples, numbers, &codes.values_);
  if (!fits) {
    return InvalidField(field, absl::StrCat("has more than ", kMaxStrata, " distinct values"));
  }
  codes.num_codes_ = codes.values_.size();
  return codes;
}

std::vector<uint32_t> ColumnCodes::Present(uint64_t num_samples, const Executor* executor) const {
  const Ranges ranges(executor, num_samples, kChunkSamples);
  std::vector<std::vector<uint8_t>> seen(ranges.count(), std::vector<uint8_t>(num_codes_));
  Visit([&](auto chunks) {
    ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
      uint8_t* const own = seen[range].data();
      for (; first < last; first += kChunkSamples) {
        const auto* codes = chunks[first / kChunkSamples];
        const uint64_t count = std::min(kChunkSamples, last - first);
        for (uint64_t k = 0; k < count; ++k) own[codes[k]] = 1;
      }
    });
  });
  std::vector<uint32_t> present;
  for (uint32_t code = 0; code < num_codes_; ++code) {
    const auto has = [code](const std::vector<uint8_t>& own) { return own[code] != 0; };
    if (std::any_of(seen.begin(), seen.end(), has)) present.push_back(code);
  }
  return present;
}

}  // namespace subset::sampling
