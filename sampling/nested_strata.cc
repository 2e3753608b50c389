#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/by_slot.h"
#include "sampling/huge_array.h"
#include "sampling/parts.h"
#include "sampling/strata.h"
#include "sampling/value_numbers.h"

namespace subset::sampling {
namespace {

constexpr char kField[] = "proportion.within.column";

// An inner stratum: its code, how many members it has, and where they go.
struct Inner {
  uint32_t code;
  uint64_t count;
  uint64_t at = 0;
};

// Splits strata by codes of the inner values, which are below num_codes. Outer strata are split
// independently of one another, each range of them by one thread.
template <typename Code, typename ValueOf>
class Splitter {
 public:
  Splitter(const Strata& outer, size_t num_codes, ValueOf value, const Executor* executor)
      : outer_(outer),
        dropped_(static_cast<Code>(num_codes)),
        value_(value),
        executor_(executor),
        ranges_(executor, outer.members.size(), 1),
        inners_(outer.values.size()) {}

  // read(first, out) writes the codes of samples from the first on.
  template <typename Read>
  absl::StatusOr<std::shared_ptr<const Strata>> Split(uint64_t num_samples, const SampleSet* set,
                                                      Read read) {
    codes_ = HugeArray<Code>(outer_.members.size());
    const auto read_kept = [&](uint64_t first, absl::Span<Code> out) {
      read(first, out);
      if (set != nullptr) Drop(*set, first, out);
    };
    GatherByStratum(outer_, num_samples, read_kept, executor_, codes_.data());
    ranges_.ForEach([this](size_t, uint64_t first, uint64_t last) { Count(first, last); });
    auto strata = std::make_shared<Strata>();
    uint64_t offset = 0;
    for (size_t g = 0; g < inners_.size(); ++g) {
      for (Inner& inner : inners_[g]) {
        strata->values.push_back(outer_.values[g]);
        strata->inner_values.push_back(value_(inner.code));
        strata->offsets.push_back(offset);
        inner.at = offset;
        offset += inner.count;
      }
      if (strata->values.size() > kMaxStrata) {
        return InvalidField(kField, absl::StrCat("makes more than ", kMaxStrata, " strata"));
      }
    }
    strata->offsets.push_back(offset);
    strata->members = HugeArray<uint32_t>(offset);
    ranges_.ForEach([&](size_t, uint64_t first, uint64_t last) {
      Scatter(first, last, strata->members.data());
    });
    return strata;
  }

 private:
  // Gives the samples that are not in the set a code of their own, which makes no stratum.
  void Drop(const SampleSet& set, uint64_t first, absl::Span<Code> codes) const {
    for (size_t k = 0; k < codes.size(); ++k) {
      const auto out = static_cast<Code>(set.Contains(first + k) - 1);  // all bits, or none
      codes[k] = static_cast<Code>((codes[k] & ~out) | (dropped_ & out));
    }
  }

  // Calls f(g, its first slot, the one behind its last) for the strata that begin in a range.
  template <typename F>
  void ForEachStratum(uint64_t first, uint64_t last, F f) const {
    const auto& offsets = outer_.offsets;
    auto offset = std::lower_bound(offsets.begin(), offsets.end() - 1, first);
    for (; offset < offsets.end() - 1 && *offset < last; ++offset) {
      f(static_cast<size_t>(offset - offsets.begin()), offset[0], offset[1]);
    }
  }

  void Count(uint64_t first, uint64_t last) {
    std::vector<uint64_t> counts(size_t{dropped_} + 1);
    std::vector<Code> present;
    size_t found = 0;
    ForEachStratum(first, last, [&](size_t g, uint64_t begin, uint64_t end) {
      if (found > kMaxStrata) return;  // too many for all of them together
      present.clear();
      for (uint64_t k = begin; k < end; ++k) {
        if (counts[codes_[k]]++ == 0) present.push_back(codes_[k]);
      }
      std::vector<Inner>& inners = inners_[g];
      for (const Code code : present) {
        if (code != dropped_) inners.push_back({code, counts[code]});
        counts[code] = 0;
      }
      std::sort(inners.begin(), inners.end(),
                [this](const Inner& a, const Inner& b) { return value_(a.code) < value_(b.code); });
      found += inners.size();
    });
  }

  void Scatter(uint64_t first, uint64_t last, uint32_t* members) const {
    uint32_t nowhere;
    std::vector<uint32_t*> next(size_t{dropped_} + 1, &nowhere);
    ForEachStratum(first, last, [&](size_t g, uint64_t begin, uint64_t end) {
      for (const Inner& inner : inners_[g]) next[inner.code] = members + inner.at;
      for (uint64_t k = begin; k < end; ++k) {
        uint32_t*& to = next[codes_[k]];  // no branch: who is dropped is not predictable
        *to = outer_.members[k];
        to += codes_[k] != dropped_;
      }
    });
  }

  const Strata& outer_;
  const Code dropped_;
  const ValueOf value_;
  const Executor* const executor_;
  const Ranges ranges_;                     // of slots
  HugeArray<Code> codes_;                   // of each slot
  std::vector<std::vector<Inner>> inners_;  // of each outer stratum, by value
};

// Values of up to 16 bits are their own codes.
template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitSmall(const Strata& outer,
                                                         const ColumnView& inner,
                                                         uint64_t num_samples, const SampleSet* set,
                                                         const Executor* executor) {
  using Code = std::conditional_t<sizeof(T) == 1, uint16_t, uint32_t>;
  const auto value = [](uint32_t code) { return static_cast<int64_t>(code); };
  return Splitter<Code, decltype(value)>(outer, size_t{1} << (8 * sizeof(T)), value, executor)
      .Split(num_samples, set,
             [&](uint64_t first, absl::Span<Code> out) { ReadValues(inner, first, out); });
}

template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> SplitWide(const Strata& outer,
                                                        const ColumnView& inner,
                                                        uint64_t num_samples, const SampleSet* set,
                                                        const Executor* executor) {
  SUBSET_ASSIGN_OR_RETURN(const NumberedValues<T> numbered,
                          NumberValues<T>(inner, num_samples, kField));
  const auto value = [&](uint32_t code) { return static_cast<int64_t>(numbered.values[code]); };
  return Splitter<uint32_t, decltype(value)>(outer, numbered.values.size(), value, executor)
      .Split(num_samples, set, [&](uint64_t first, absl::Span<uint32_t> out) {
        std::copy_n(numbered.numbers.begin() + first, out.size(), out.begin());
      });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildNestedStrata(const Strata& outer,
                                                                const ColumnView& inner,
                                                                uint64_t num_samples,
                                                                const SampleSet* set,
                                                                const Executor* executor) {
  switch (inner.type) {
    case ColumnView::Type::kUint8:
      return SplitSmall<uint8_t>(outer, inner, num_samples, set, executor);
    case ColumnView::Type::kUint16:
      return SplitSmall<uint16_t>(outer, inner, num_samples, set, executor);
    case ColumnView::Type::kUint32:
      return SplitWide<uint32_t>(outer, inner, num_samples, set, executor);
    default:
      break;
  }
  return SplitWide<int64_t>(outer, inner, num_samples, set, executor);
}

}  // namespace subset::sampling
