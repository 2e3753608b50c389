#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/column_codes.h"
#include "sampling/parts.h"
#include "sampling/sort_by_cell.h"
#include "sampling/strata.h"

namespace subset::sampling {
namespace {

constexpr char kOuterField[] = "proportion.column";
constexpr char kInnerField[] = "proportion.within.column";
constexpr size_t kMaxCells = size_t{1} << 18;  // counted for every pair that may occur

// A pair of values, as ranks among those of the two columns.
constexpr uint64_t PairOf(uint32_t outer, uint32_t inner) { return uint64_t{outer} << 32 | inner; }

// The values of a column that occur, ascending, and the rank of each code among them.
struct Ranked {
  Ranked(const ColumnCodes& codes, uint64_t num_samples, const Executor* executor)
      : ranks(codes.num_codes()) {
    for (const uint32_t code : codes.Present(num_samples, executor)) {
      ranks[code] = static_cast<uint32_t>(values.size());
      values.push_back(codes.value(code));
    }
  }

  std::vector<int64_t> values;
  std::vector<uint32_t> ranks;
};

class PairSorter {
 public:
  PairSorter(const ColumnCodes& outer, const ColumnCodes& inner, uint64_t num_samples,
             const SampleSet* set, const Executor* executor)
      : outer_codes_(outer),
        inner_codes_(inner),
        outer_(outer, num_samples, executor),
        inner_(inner, num_samples, executor),
        num_samples_(num_samples),
        set_(set),
        executor_(executor) {}

  absl::StatusOr<std::shared_ptr<const Strata>> Sort() {
    return outer_codes_.Visit([&](auto outer) {
      return inner_codes_.Visit([&](auto inner) {
        return outer_.values.size() * inner_.values.size() <= kMaxCells ? SortAll(outer, inner)
                                                                        : SortFew(outer, inner);
      });
    });
  }

 private:
  // Every pair that may occur is a cell.
  template <typename Outer, typename Inner>
  absl::StatusOr<std::shared_ptr<const Strata>> SortAll(Outer outer, Inner inner) {
    const auto width = static_cast<uint32_t>(inner_.values.size());
    std::vector<uint32_t> rows = outer_.ranks;
    for (uint32_t& row : rows) row *= width;
    SortedSamples sorted =
        SortByCell(num_samples_, outer_.values.size() * width, set_, executor_, [&](uint64_t c) {
          return
              [rows = rows.data(), columns = inner_.ranks.data(), outer = outer[c],
               inner = inner[c]](size_t k) -> size_t { return rows[outer[k]] + columns[inner[k]]; };
        });
    return Named(std::move(sorted), [width](size_t cell) {
      return PairOf(static_cast<uint32_t>(cell) / width, static_cast<uint32_t>(cell) % width);
    });
  }

  // Every pair that does occur is one.
  template <typename Outer, typename Inner>
  absl::StatusOr<std::shared_ptr<const Strata>> SortFew(Outer outer, Inner inner) {
    const auto pairs_of = [&](uint64_t c) {
      return [this, outer = outer[c], inner = inner[c]](size_t k) {
        return PairOf(outer_.ranks[outer[k]], inner_.ranks[inner[k]]);
      };
    };
    const std::vector<uint64_t> pairs = Occurring(pairs_of);
    if (pairs.size() > kMaxStrata) return TooMany();
    absl::flat_hash_map<uint64_t, uint32_t> cells;
    for (size_t cell = 0; cell < pairs.size(); ++cell) cells[pairs[cell]] = cell;
    SortedSamples sorted = SortByCell(num_samples_, pairs.size(), set_, executor_, [&](uint64_t c) {
      return
          [&cells, pair = pairs_of(c)](size_t k) -> size_t { return cells.find(pair(k))->second; };
    });
    return Named(std::move(sorted), [&pairs](size_t cell) { return pairs[cell]; });
  }

  // Pairs that occur, ascending; more than kMaxStrata of them need not be all.
  template <typename PairsOf>
  std::vector<uint64_t> Occurring(PairsOf pairs_of) const {
    const Ranges ranges(executor_, num_samples_, kChunkSamples);
    std::vector<absl::flat_hash_set<uint64_t>> seen(ranges.count());
    ranges.ForEach([&](size_t range, uint64_t begin, uint64_t end) {
      absl::flat_hash_set<uint64_t>& own = seen[range];
      for (uint64_t first = begin; first < end; first += kChunkSamples) {
        const auto pair = pairs_of(first / kChunkSamples);
        ForEachOfChunk(first, std::min(first + kChunkSamples, end), set_, [&](uint64_t, size_t k) {
          if (own.size() <= kMaxStrata) own.insert(pair(k));
        });
      }
    });
    for (size_t range = 1; range < seen.size(); ++range) seen[0].merge(seen[range]);
    std::vector<uint64_t> pairs(seen[0].begin(), seen[0].end());
    std::sort(pairs.begin(), pairs.end());
    return pairs;
  }

  // The strata of cells that have members.
  template <typename PairAt>
  absl::StatusOr<std::shared_ptr<const Strata>> Named(SortedSamples sorted, PairAt pair_at) const {
    auto strata = std::make_shared<Strata>();
    for (size_t cell = 0; cell + 1 < sorted.offsets.size(); ++cell) {
      if (sorted.offsets[cell] == sorted.offsets[cell + 1]) continue;
      const uint64_t pair = pair_at(cell);
      strata->values.push_back(outer_.values[pair >> 32]);
      strata->inner_values.push_back(inner_.values[static_cast<uint32_t>(pair)]);
      strata->offsets.push_back(sorted.offsets[cell]);
    }
    if (strata->values.size() > kMaxStrata) return TooMany();
    strata->offsets.push_back(sorted.offsets.back());
    strata->members = std::move(sorted.members);
    return strata;
  }

  static absl::Status TooMany() {
    return InvalidField(kInnerField, absl::StrCat("makes more than ", kMaxStrata, " strata"));
  }

  const ColumnCodes& outer_codes_;
  const ColumnCodes& inner_codes_;
  const Ranked outer_;
  const Ranked inner_;
  const uint64_t num_samples_;
  const SampleSet* const set_;
  const Executor* const executor_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildNestedStrata(const ColumnView& outer,
                                                                const ColumnView& inner,
                                                                uint64_t num_samples,
                                                                const SampleSet* set,
                                                                const Executor* executor) {
  SUBSET_ASSIGN_OR_RETURN(const ColumnCodes outer_codes,
                          ColumnCodes::Create(outer, num_samples, kOuterField));
  SUBSET_ASSIGN_OR_RETURN(const ColumnCodes inner_codes,
                          ColumnCodes::Create(inner, num_samples, kInnerField));
  return PairSorter(outer_codes, inner_codes, num_samples, set, executor).Sort();
}

}  // namespace subset::sampling
