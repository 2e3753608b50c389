#include "sampling/rank_cut.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "sampling/number_range.h"
#include "sampling/parts.h"
#include "sampling/ranking.h"
#include "sampling/set_members.h"

namespace subset::sampling {
namespace {

// All samples of a column, or those of a group.
template <typename T>
class ColumnItems {
 public:
  using Value = T;

  ColumnItems(const ColumnView& column, uint64_t size, const uint32_t* members)
      : column_(column), size_(size), members_(members) {}

  uint64_t size() const { return size_; }
  uint64_t sample(uint64_t k) const { return members_ == nullptr ? k : members_[k]; }

  T value(uint64_t k) const {
    const uint64_t i = sample(k);
    return static_cast<const T*>(column_.chunks[i / kChunkSamples])[i % kChunkSamples];
  }

  absl::Span<const T> Read(uint64_t first, uint64_t count, T* values) const {
    if (members_ == nullptr) {
      const auto* chunk = static_cast<const T*>(column_.chunks[first / kChunkSamples]);
      return {chunk + first % kChunkSamples, count};
    }
    for (uint64_t k = 0; k < count; ++k) values[k] = value(first + k);
    return {values, count};
  }

 private:
  const ColumnView& column_;
  const uint64_t size_;
  const uint32_t* const members_;  // null: sample k is item k
};

// The ranks of the numbers in the range of the predicate.
template <typename T>
RankBand RanksOfRange(const ColumnItems<T>& items, const Predicate& predicate,
                      const Executor* executor) {
  const NumberRange<T> range(predicate.minimum, predicate.maximum);
  std::vector<RankBand> parts(NumParts(items.size()));
  ForEachPart(executor, items.size(), [&](size_t part, uint64_t first, uint64_t last) {
    uint64_t below = 0;
    uint64_t inside = 0;
    for (uint64_t k = first; k < last; ++k) {
      const T x = items.value(k);
      below += range.Below(x) & (x == x);  // NaN differs from itself
      inside += range.Contains(x);
    }
    parts[part] = {below, below + inside};
  });
  RankBand band;
  for (const RankBand& part : parts) {
    band.begin += part.begin;
    band.end += part.end;
  }
  return band;
}

// Returns the items that stay.
template <typename T>
SampleSet Stay(const ColumnItems<T>& items, const Predicate& predicate, const PhiloxKey& ties,
               const Executor* executor) {
  const bool quantile = predicate.kind == Predicate::Kind::kQuantile;
  const RankBand range = quantile ? RankBand() : RanksOfRange(items, predicate, executor);
  const auto band_of = [&](uint64_t n) {
    auto [begin, end] = range;
    if (quantile) {
      begin = FloorFraction(predicate.low, n);
      end = n - FloorFraction(1 - predicate.high, n);
    }
    const uint64_t least = CeilFraction(predicate.minimum_keep, n);
    end = std::max(begin, end);
    if (end - begin < least) begin = end < least ? 0 : end - least;
    return RankBand{begin, std::max(end, begin + least)};
  };
  return Ranking<ColumnItems<T>>(items, ties, executor)
      .Between(band_of, predicate.missing == Predicate::Missing::kKeep);
}

}  // namespace

void CutByRank(const ColumnView& column, const Predicate& predicate, const Strata* groups,
               uint64_t num_samples, const PhiloxKey& ties, const Executor* executor,
               SampleSet* set) {
  VisitType(column.type, [&](const auto* type) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
    if (groups == nullptr) {
      const ColumnItems<T> items(column, num_samples, nullptr);
      set->Keep(Stay(items, predicate, ties, executor), true);
      return;
    }
    SampleSet stay(num_samples);
    for (size_t g = 0; g < groups->values.size(); ++g) {
      const uint32_t* const members = groups->members.data() + groups->offsets[g];
      const ColumnItems<T> items(column, groups->count(g), members);
      ForEachMember(Stay(items, predicate, ties, executor),
                    [&](uint64_t k) { stay.Insert(members[k]); });
    }
    set->Keep(stay, true);
  });
}

}  // namespace subset::sampling
