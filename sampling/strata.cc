#include "sampling/strata.h"

#include <algorithm>
#include <vector>

#include "absl/numeric/bits.h"
#include "base/status_macros.h"
#include "sampling/parts.h"
#include "sampling/value_numbers.h"

namespace subset::sampling {
namespace {

// Sorts samples by their codes, which are below num_codes; chunk(c) returns those of chunk c, and
// value(code) what a code stands for. Each thread first counts the codes of its range of samples,
// so that it knows where each of them goes.
template <typename Chunk, typename ValueOf>
std::shared_ptr<const Strata> SortByCode(uint64_t num_samples, size_t num_codes,
                                         const Executor* executor, Chunk chunk, ValueOf value) {
  const Ranges ranges(executor, num_samples, kChunkSamples);
  const auto for_each_code = [&](uint64_t first, uint64_t last, auto f) {
    for (; first < last; first += kChunkSamples) {
      const auto* codes = chunk(first / kChunkSamples);
      const uint64_t count = std::min(kChunkSamples, last - first);
      for (uint64_t k = 0; k < count; ++k) f(first + k, codes[k]);
    }
  };
  // Of each range the counts of codes, then where their next samples go.
  std::vector<std::vector<uint64_t>> next(ranges.count(), std::vector<uint64_t>(num_codes));
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const counts = next[range].data();
    for_each_code(first, last, [counts](uint64_t, auto code) { ++counts[code]; });
  });

  std::vector<uint32_t> order;  // codes that occur, by value
  for (uint32_t code = 0; code < num_codes; ++code) {
    const auto occurs = [code](const std::vector<uint64_t>& counts) { return counts[code] > 0; };
    if (std::any_of(next.begin(), next.end(), occurs)) order.push_back(code);
  }
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return value(a) < value(b); });

  auto strata = std::make_shared<Strata>();
  uint64_t offset = 0;
  for (const uint32_t code : order) {
    strata->values.push_back(value(code));
    strata->offsets.push_back(offset);
    for (std::vector<uint64_t>& of_range : next) {
      const uint64_t count = of_range[code];
      of_range[code] = offset;
      offset += count;
    }
  }
  strata->offsets.push_back(offset);
  strata->members = HugeArray<uint32_t>(num_samples);
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* const at = next[range].data();
    uint32_t* const members = strata->members.data();
    for_each_code(first, last, [at, members](uint64_t i, auto code) {
      members[at[code]++] = static_cast<uint32_t>(i);
    });
  });
  return strata;
}

// Values of up to 16 bits are their own codes.
template <typename T>
std::shared_ptr<const Strata> BuildSmall(const ColumnView& column, uint64_t num_samples,
                                         const Executor* executor) {
  return SortByCode(
      num_samples, size_t{1} << (8 * sizeof(T)), executor,
      [&](uint64_t c) { return static_cast<const T*>(column.chunks[c]); },
      [](uint32_t code) { return static_cast<int64_t>(code); });
}

template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> BuildWide(const ColumnView& column,
                                                        uint64_t num_samples,
                                                        absl::string_view field,
                                                        const Executor* executor) {
  SUBSET_ASSIGN_OR_RETURN(const NumberedValues<T> numbered,
                          NumberValues<T>(column, num_samples, field));
  return SortByCode(
      num_samples, numbered.values.size(), executor,
      [&](uint64_t c) { return numbered.numbers.data() + c * kChunkSamples; },
      [&](uint32_t code) { return static_cast<int64_t>(numbered.values[code]); });
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Strata>> BuildStrata(const ColumnView& column,
                                                          uint64_t num_samples,
                                                          absl::string_view field,
                                                          const Executor* executor) {
  switch (column.type) {
    case ColumnView::Type::kUint8:
      return BuildSmall<uint8_t>(column, num_samples, executor);
    case ColumnView::Type::kUint16:
      return BuildSmall<uint16_t>(column, num_samples, executor);
    case ColumnView::Type::kUint32:
      return BuildWide<uint32_t>(column, num_samples, field, executor);
    default:
      break;
  }
  return BuildWide<int64_t>(column, num_samples, field, executor);
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
      if (!strata.inner_values.empty()) {
        restricted->inner_values.push_back(strata.inner_values[newest]);
      }
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
  constexpr uint64_t kWord = 64;
  const std::vector<uint64_t>& words = set.words();
  std::vector<uint64_t> at(NumParts(kWord * words.size()));  // of a part: its members, then where
  const auto for_each_part = [&](auto f) {
    ForEachPart(executor, kWord * words.size(), [&](size_t part, uint64_t first, uint64_t last) {
      f(part, first / kWord, last / kWord);
    });
  };
  for_each_part([&](size_t part, size_t first, size_t last) {
    for (size_t w = first; w < last; ++w) at[part] += absl::popcount(words[w]);
  });
  uint64_t total = 0;
  for (uint64_t& part : at) {
    const uint64_t count = part;
    part = total;
    total += count;
  }
  auto strata = std::make_shared<Strata>();
  strata->members = HugeArray<uint32_t>(total);
  for_each_part([&](size_t part, size_t first, size_t last) {
    uint32_t* to = strata->members.data() + at[part];
    for (size_t w = first; w < last; ++w) {
      for (uint64_t word = words[w]; word != 0; word &= word - 1) {
        *to++ = static_cast<uint32_t>(kWord * w + absl::countr_zero(word));
      }
    }
  });
  strata->offsets = {0};
  if (total == 0) return strata;
  strata->values = {0};
  strata->offsets.push_back(total);
  return strata;
}

}  // namespace subset::sampling
