#include "sampling/strata.h"

#include <algorithm>
#include <vector>

#include "absl/numeric/bits.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/huge_array.h"
#include "sampling/value_numbers.h"

namespace subset::sampling {
namespace {

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
absl::StatusOr<std::shared_ptr<const Strata>> Build(const ColumnView& column, uint64_t num_samples,
                                                    absl::string_view field) {
  Numbers numbers;
  std::vector<uint64_t> counts(numbers.values().size());
  ForEachValue<T>(column, num_samples, [&](uint64_t, T value) {
    const uint32_t number = numbers.Number(value);
    if (number >= counts.size()) counts.resize(number + 1);
    ++counts[number];
    return counts.size() <= kMaxStrata;
  });
  if (counts.size() > kMaxStrata) {
    return InvalidField(field, absl::StrCat("has more than ", kMaxStrata, " distinct values"));
  }

  std::vector<uint32_t> order;  // numbers of the values that occur, by value
  for (uint32_t number = 0; number < counts.size(); ++number) {
    if (counts[number] > 0) order.push_back(number);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return numbers.values()[a] < numbers.values()[b]; });

  auto strata = std::make_shared<Strata>();
  strata->members = HugeVector<uint32_t>(num_samples);
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
                                                          uint64_t num_samples,
                                                          absl::string_view field) {
  switch (column.type) {
    case ColumnView::Type::kUint8:
      return Build<uint8_t, SmallValueNumbers<uint8_t>>(column, num_samples, field);
    case ColumnView::Type::kUint16:
      return Build<uint16_t, SmallValueNumbers<uint16_t>>(column, num_samples, field);
    case ColumnView::Type::kUint32:
      return Build<uint32_t, ValueNumbers<uint32_t>>(column, num_samples, field);
    default:
      break;
  }
  return Build<int64_t, ValueNumbers<int64_t>>(column, num_samples, field);
}

std::shared_ptr<const Strata> RestrictStrata(const Strata& strata, const SampleSet& set) {
  auto restricted = std::make_shared<Strata>();
  restricted->members = HugeVector<uint32_t>(strata.members.size());
  uint32_t* const members = restricted->members.data();
  uint64_t kept = 0;
  for (size_t g = 0; g < strata.values.size(); ++g) {
    const uint64_t first = kept;
    for (uint64_t k = strata.offsets[g]; k < strata.offsets[g + 1]; ++k) {
      const uint32_t member = strata.members[k];
      members[kept] = member;  // no branch: which ones stay is not predictable
      kept += set.Contains(member);
    }
    if (kept == first) continue;
    restricted->values.push_back(strata.values[g]);
    if (!strata.inner_values.empty()) {
      restricted->inner_values.push_back(strata.inner_values[g]);
    }
    restricted->offsets.push_back(first);
  }
  restricted->offsets.push_back(kept);
  restricted->members.resize(kept);
  return restricted;
}

std::shared_ptr<const Strata> OneStratum(const SampleSet& set) {
  auto strata = std::make_shared<Strata>();
  ReserveHuge(set.Count(), &strata->members);
  for (size_t w = 0; w < set.words().size(); ++w) {
    for (uint64_t word = set.words()[w]; word != 0; word &= word - 1) {
      strata->members.push_back(static_cast<uint32_t>(64 * w + absl::countr_zero(word)));
    }
  }
  strata->offsets = {0};
  if (strata->members.empty()) return strata;
  strata->values = {0};
  strata->offsets.push_back(strata->members.size());
  return strata;
}

}  // namespace subset::sampling
