#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/by_slot.h"
#include "sampling/huge_array.h"
#include "sampling/strata.h"
#include "sampling/value_numbers.h"

namespace subset::sampling {
namespace {

constexpr char kField[] = "proportion.within.column";

using Code = uint16_t;  // a small number for an inner value; there are at most kMaxStrata

// read(first, out) writes the codes of samples from the first on; value(code) is the inner value.
template <typename ReadCodes, typename ValueOf>
absl::StatusOr<std::shared_ptr<const Strata>> Split(const Strata& outer, uint64_t num_samples,
                                                    size_t num_codes, const Executor* executor,
                                                    ReadCodes read, ValueOf value) {
  auto strata = std::make_shared<Strata>();
  strata->members = HugeVector<uint32_t>(outer.members.size());
  HugeArray<Code> codes(outer.members.size());
  GatherByStratum(outer, num_samples, read, executor, codes.data());
  std::vector<uint64_t> next(num_codes);  // first the counts of a stratum, then where to write
  std::vector<Code> present;
  uint64_t offset = 0;
  for (size_t g = 0; g < outer.values.size(); ++g) {
    const uint64_t first = outer.offsets[g];
    const uint64_t last = outer.offsets[g + 1];
    present.clear();
    for (uint64_t k = first; k < last; ++k) {
      if (next[codes[k]]++ == 0) present.push_back(codes[k]);
    }
    if (strata->values.size() + present.size() > kMaxStrata) {
      return InvalidField(kField, absl::StrCat("makes more than ", kMaxStrata, " strata"));
    }
    std::sort(present.begin(), present.end(), [&](Code a, Code b) { return value(a) < value(b); });
    for (const Code inner : present) {
      strata->values.push_back(outer.values[g]);
      strata->inner_values.push_back(value(inner));
      strata->offsets.push_back(offset);
      const uint64_t size = next[inner];
      next[inner] = offset;
      offset += size;
    }
    for (uint64_t k = first; k < last; ++k) strata->members[next[codes[k]]++] = outer.members[k];
    for (const Code inner : present) next[inner] = 0;
  }
  strata->offsets.push_back(offset);
  return strata;
}

// Values of up to 16 bits are their own codes.
template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitSmall(const Strata& outer,
                                                         const ColumnView& inner,
                                                         uint64_t num_samples,
                                                         const Executor* executor) {
  return Split(
      outer, num_samples, size_t{1} << (8 * sizeof(T)), executor,
      [&](uint64_t first, absl::Span<Code> out) { ReadValues(inner, first, out); },
      [](Code code) { return static_cast<int64_t>(code); });
}

template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitWide(const Strata& outer,
                                                        const ColumnView& inner,
                                                        uint64_t num_samples,
                                                        const Executor* executor) {
  ValueNumbers<T> numbers;
  std::vector<Code> codes(num_samples);
  for (uint64_t i = 0; i < num_samples; ++i) {
    codes[i] = static_cast<Code>(
        numbers.Number(static_cast<const T*>(inner.chunks[i / kChunkSamples])[i % kChunkSamples]));
    if (numbers.values().size() > kMaxStrata) {
      return InvalidField(kField, absl::StrCat("has more than ", kMaxStrata, " distinct values"));
    }
  }
  return Split(
      outer, num_samples, numbers.values().size(), executor,
      [&](uint64_t first, absl::Span<Code> out) {
        std::copy_n(codes.begin() + first, out.size(), out.begin());
      },
      [&](Code code) { return static_cast<int64_t>(numbers.values()[code]); });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildNestedStrata(const Strata& outer,
                                                                const ColumnView& inner,
                                                                uint64_t num_samples,
                                                                const Executor* executor) {
  switch (inner.type) {
    case ColumnView::Type::kUint8:
      return SplitSmall<uint8_t>(outer, inner, num_samples, executor);
    case ColumnView::Type::kUint16:
      return SplitSmall<uint16_t>(outer, inner, num_samples, executor);
    case ColumnView::Type::kUint32:
      return SplitWide<uint32_t>(outer, inner, num_samples, executor);
    default:
      break;
  }
  return SplitWide<int64_t>(outer, inner, num_samples, executor);
}

}  // namespace subset::sampling
