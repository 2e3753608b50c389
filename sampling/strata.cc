#include "sampling/strata.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "sampling/column_codes.h"
#include "sampling/parts.h"
#include "sampling/set_members.h"
#include "sampling/sort_by_cell.h"

namespace subset::sampling {
absl::StatusOr<std::shared_ptr<const Strata>> BuildStrata(const ColumnView& column,
                                                          uint64_t num_samples,
                                                          absl::string_view field,
                                                          const Executor* executor) {
  SUBSET_ASSIGN_OR_RETURN(const ColumnCodes codes, ColumnCodes::Create(column, num_samples, field));
  SortedSamples sorted = codes.Visit([&](auto chunks) {
    return SortByCell(num_samples, codes.num_codes(), nullptr, executor, [&](uint64_t c) {
      return [chunk = chunks[c]](size_t k) -> size_t { return chunk[k]; };
    });
  });
  auto strata = std::make_shared<Strata>();
  for (uint32_t code = 0; code < codes.num_codes(); ++code) {
    if (sorted.offsets[code] == sorted.offsets[code + 1]) continue;
    strata->values.push_back(codes.value(code));
    strata->offsets.push_back(sorted.offsets[code]);
  }
  strata->offsets.push_back(sorted.offsets.back());
  strata->members = std::move(sorted.members);
  return strata;
}

std::shared_ptr<const Strata> RestrictStrata(const Strata& strata, const SampleSet& set,
                                             const Executor* executor) {
  struct Piece {  // what a range has of a stratum
    size_t stratum;
    uint64_t first;     // of the members that it looks at
    uint64_t kept = 0;  // how many stay,
    uint64_t at = 0;    // and where the first of them goes
  };
  const Ranges ranges(executor, strata.members.size(), kChunkSamples);
  std::vector<std::vector<Piece>> pieces(ranges.count());
  const uint32_t* const members = strata.members.data();
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    for (size_t g = strata.StratumOf(first); first < last; ++g) {
      Piece piece{g, first};
      const uint64_t end = std::min(last, strata.offsets[g + 1]);
      for (; first < end; ++first) piece.kept += set.Contains(members[first]);
      pieces[range].push_back(piece);
    }
  });

  auto restricted = std::make_shared<Strata>();
  uint64_t kept = 0;
  size_t newest = strata.values.size();  // the stratum added last; none yet
  for (std::vector<Piece>& of_range : pieces) {
    for (Piece& piece : of_range) {
      piece.at = kept;
      kept += piece.kept;
      if (piece.kept == 0 || piece.stratum == newest) continue;
      newest = piece.stratum;
      restricted->values.push_back(strata.values[newest]);
      restricted->offsets.push_back(piece.at);
    }
  }
  restricted->offsets.push_back(kept);
  restricted->members = HugeArray<uint32_t>(kept);
  ranges.ForEach([&](size_t range, uint64_t, uint64_t) {
    for (const Piece& piece : pieces[range]) {
      uint32_t* to = restricted->members.data() + piece.at;
      uint32_t* const end = to + piece.kept;
      for (uint64_t k = piece.first; to < end; ++k) {
        *to = members[k];  // no branch: which ones stay is not predictable
        to += set.Contains(members[k]);
      }
    }
  });
  return restricted;
}

std::shared_ptr<const Strata> OneStratum(const SampleSet& set, const Executor* executor) {
  const SetMembers members(set, executor);
  const uint64_t total = members.size();
  auto strata = std::make_shared<Strata>();
  strata->members = HugeArray<uint32_t>(total);
  members.Write(strata->members.data());
  strata->offsets = {0};
  if (total == 0) return strata;
  strata->values = {0};
  strata->offsets.push_back(total);
  return strata;
}

}  // namespace subset::sampling
