#include "sampling/rank_cut.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/number_range.h"
#include "sampling/select_rank.h"

namespace subset::sampling {
namespace {

// Unsigned keys that order as the numbers do; both zeros have the same.
template <typename T>
auto OrderedKey(T x) {
  using Key = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    x += 0;  // -0 becomes 0
    Key bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return static_cast<Key>((bits & kSign) != 0 ? ~bits : bits | kSign);
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Key>(static_cast<Key>(x) ^ kSign);
  } else {
    return static_cast<Key>(x);
  }
}

template <typename T>
bool Missing(T x) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(x);
  return false;
}

template <typename T>
class RankCut {
 public:
  using Key = decltype(OrderedKey(T()));

  RankCut(const ColumnView& column, const Predicate& predicate, const PhiloxKey& ties,
          SampleSet* set)
      : column_(column),
        predicate_(predicate),
        range_(predicate.minimum, predicate.maximum),
        ties_(ties),
        set_(set) {}

  // Cuts the group of samples sample(0), ..., sample(count - 1).
  template <typename SampleAt>
  void Cut(uint64_t count, SampleAt sample) {
    keys_.clear();
    uint64_t below = 0;   // the minimum
    uint64_t inside = 0;  // the range
    for (uint64_t k = 0; k < count; ++k) {
      const T x = Value(sample(k));
      if (Missing(x)) {
        if (predicate_.missing == Predicate::Missing::kDrop) set_->Remove(sample(k));
        continue;
      }
      keys_.push_back(OrderedKey(x));
      below += range_.Below(x);
      inside += range_.Contains(x);
    }
    const uint64_t n = keys_.size();
    uint64_t begin = below;
    uint64_t end = below + inside;
    if (predicate_.kind == Predicate::Kind::kQuantile) {
      begin = FloorFraction(predicate_.low, n);
      end = n - FloorFraction(1 - predicate_.high, n);
    }
    const uint64_t least = CeilFraction(predicate_.minimum_keep, n);
    end = std::max(begin, end);
    if (end - begin < least) begin = end < least ? 0 : end - least;
    end = std::max(end, begin + least);
    if (begin == 0 && end == n) return;
    const Boundary from = BoundaryAt(begin, count, sample);
    const Boundary until = BoundaryAt(end, count, sample);
    for (uint64_t k = 0; k < count; ++k) {
      const uint64_t i = sample(k);
      const T x = Value(i);
      if (Missing(x)) continue;
      const Key key = OrderedKey(x);
      if (Before(key, i, from) || !Before(key, i, until)) set_->Remove(i);
    }
  }

 private:
  using Tie = std::pair<uint64_t, uint64_t>;  // hash and index

  // What stands before a rank: keys below `key`, and of those equal to it the ties before `tie`.
  struct Boundary {
    bool everything = false;
    Key key = 0;
    bool some_ties = false;
    Tie tie;
  };

  T Value(uint64_t i) const {
    return static_cast<const T*>(column_.chunks[i / kChunkSamples])[i % kChunkSamples];
  }
  Tie TieOf(uint64_t i) const { return {BlockLow(Philox(ties_, i)), i}; }

  bool Before(Key key, uint64_t i, const Boundary& boundary) const {
    if (boundary.everything || key < boundary.key) return true;
    return key == boundary.key && boundary.some_ties && TieOf(i) < boundary.tie;
  }

  template <typename SampleAt>
  Boundary BoundaryAt(uint64_t rank, uint64_t count, SampleAt sample) {
    Boundary boundary;
    boundary.everything = rank == keys_.size();
    if (rank == 0 || boundary.everything) return boundary;  // no key is below 0
    const Ranked<Key> found = SelectRank(absl::MakeSpan(keys_), rank);
    boundary.key = found.key;
    if (rank == found.less) return boundary;
    std::vector<Tie> ties;
    for (uint64_t k = 0; k < count; ++k) {
      const uint64_t i = sample(k);
      const T x = Value(i);
      if (!Missing(x) && OrderedKey(x) == found.key) ties.push_back(TieOf(i));
    }
    const auto first_after = ties.begin() + (rank - found.less);
    std::nth_element(ties.begin(), first_after, ties.end());
    boundary.some_ties = true;
    boundary.tie = *first_after;
    return boundary;
  }

  const ColumnView& column_;
  const Predicate& predicate_;
  const NumberRange<T> range_;
  const PhiloxKey ties_;
  SampleSet* const set_;
  std::vector<Key> keys_;  // of the group
};

}  // namespace

void CutByRank(const ColumnView& column, const Predicate& predicate, const Strata* groups,
               uint64_t num_samples, const PhiloxKey& ties, SampleSet* set) {
  VisitType(column.type, [&](const auto* type) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
    RankCut<T> cut(column, predicate, ties, set);
    if (groups == nullptr) return cut.Cut(num_samples, [](uint64_t k) { return k; });
    for (size_t g = 0; g < groups->values.size(); ++g) {
      const uint32_t* members = groups->members.data() + groups->offsets[g];
      cut.Cut(groups->count(g), [members](uint64_t k) -> uint64_t { return members[k]; });
    }
  });
}

}  // namespace subset::sampling
