#include <algorithm>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/strata.h"
#include "sampling/value_numbers.h"

namespace subset::sampling {
namespace {

constexpr char kField[] = "proportion.within.column";

// `code(i)` is a small number for the inner value of sample i, `value(code)` that value.
template <typename CodeOf, typename ValueOf>
absl::StatusOr<std::shared_ptr<const Strata>> Split(const Strata& outer, size_t num_codes,
                                                    CodeOf code, ValueOf value) {
  auto strata = std::make_shared<Strata>();
  strata->members.resize(outer.members.size());
  std::vector<uint64_t> next(num_codes);  // first the counts of a stratum, then where to write
  std::vector<uint32_t> present;
  std::vector<uint32_t> codes;  // of its members
  uint64_t offset = 0;
  for (size_t g = 0; g < outer.values.size(); ++g) {
    const uint32_t* members = outer.members.data() + outer.offsets[g];
    const uint64_t count = outer.count(g);
    codes.resize(count);
    present.clear();
    for (uint64_t k = 0; k < count; ++k) {
      codes[k] = code(members[k]);
      if (next[codes[k]]++ == 0) present.push_back(codes[k]);
    }
    if (strata->values.size() + present.size() > kMaxStrata) {
      return InvalidField(kField, absl::StrCat("makes more than ", kMaxStrata, " strata"));
    }
    std::sort(present.begin(), present.end(),
              [&](uint32_t a, uint32_t b) { return value(a) < value(b); });
    for (const uint32_t inner : present) {
      strata->values.push_back(outer.values[g]);
      strata->inner_values.push_back(value(inner));
      strata->offsets.push_back(offset);
      const uint64_t size = next[inner];
      next[inner] = offset;
      offset += size;
    }
    for (uint64_t k = 0; k < count; ++k) strata->members[next[codes[k]]++] = members[k];
    for (const uint32_t inner : present) next[inner] = 0;
  }
  strata->offsets.push_back(offset);
  return strata;
}

// Values of up to 16 bits are their own codes.
template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitSmall(const Strata& outer,
                                                         const ColumnView& inner) {
  return Split(
      outer, size_t{1} << (8 * sizeof(T)),
      [&](uint32_t i) -> uint32_t {
        return static_cast<const T*>(inner.chunks[i / kChunkSamples])[i % kChunkSamples];
      },
      [](uint32_t code) { return static_cast<int64_t>(code); });
}

template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitWide(const Strata& outer,
                                                        const ColumnView& inner,
                                                        uint64_t num_samples) {
  ValueNumbers<T> numbers;
  std::vector<uint32_t> codes(num_samples);
  for (uint64_t i = 0; i < num_samples; ++i) {
    codes[i] =
        numbers.Number(static_cast<const T*>(inner.chunks[i / kChunkSamples])[i % kChunkSamples]);
    if (numbers.values().size() > kMaxStrata) {
      return InvalidField(kField, absl::StrCat("has more than ", kMaxStrata, " distinct values"));
    }
  }
  return Split(
      outer, numbers.values().size(), [&](uint32_t i) { return codes[i]; },
      [&](uint32_t code) { return static_cast<int64_t>(numbers.values()[code]); });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildNestedStrata(const Strata& outer,
                                                                const ColumnView& inner,
                                                                uint64_t num_samples) {
  switch (inner.type) {
    case ColumnView::Type::kUint8:
      return SplitSmall<uint8_t>(outer, inner);
    case ColumnView::Type::kUint16:
      return SplitSmall<uint16_t>(outer, inner);
    case ColumnView::Type::kUint32:
      return SplitWide<uint32_t>(outer, inner, num_samples);
    default:
      break;
  }
  return SplitWide<int64_t>(outer, inner, num_samples);
}

}  // namespace subset::sampling
