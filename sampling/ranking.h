// Which items have the ranks of a band, without sorting them.

#ifndef SUBSET_SAMPLING_RANKING_H_
#define SUBSET_SAMPLING_RANKING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/numeric/bits.h"
#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/ordered_key.h"
#include "sampling/parts.h"
#include "sampling/philox.h"
#include "sampling/philox_of_samples.h"
#include "sampling/range_bits.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Ranks begin .. end - 1.
struct RankBand {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Items 0 .. size - 1 in ascending order of their values, equal ones in that of a hash of their
// samples under `ties`, never of the samples themselves. `Items` has
//
//   Value                       of the types of a column; NaN has no rank
//   size()                      below 2^32
//   sample(k)                   the sample of item k
//   Read(first, count, values)  returns the values of `count` items from the first on, in place or
//                               written to `values`; they are part of kPiece from a multiple of it
//
// and is read by several threads of the executor.
//
// A border between ranks is found by selection with a sample (Floyd and Rivest, "Expected time
// bounds for selection", CACM 1975): the places of some items say between which two it lies, so
// that a pass leaves a few per cent of all to be ranked; its counts show whether they were right.
// Where they were not (1 in 370), others are asked. One pass, in parts, is for both borders of a
// band and for who has a rank. A bit an item for each of these, and 16 bytes for each of the few.
template <typename Items>
class Ranking {
 public:
  static constexpr uint64_t kPiece = 1024;

  // Items must outlive it.
  Ranking(const Items& items, const PhiloxKey& ties, const Executor* executor)
      : items_(items), ties_(ties), executor_(executor) {}

  // Returns the items with the ranks of band_of(n), where n is how many have one, and with
  // `missing` also those that have none. band_of(n) is a part of ranks 0 .. n - 1; it is also asked
  // for numbers near n.
  template <typename BandOf>
  SampleSet Between(BandOf band_of, bool missing) const {
    const uint64_t size = items_.size();
    uint64_t n = 0;
    for (uint32_t attempt = 0;; ++attempt) {
      const std::vector<Candidate> sample = SampleItems(attempt, attempt == 0 ? &n : nullptr);
      const RankBand guess = band_of(n);
      Border begin = {BracketOf(guess.begin, n, attempt, sample), SampleSet(size)};
      Border end = {BracketOf(guess.end, n, attempt, sample), SampleSet(size)};
      SampleSet ranked(size);
      n = Compare(&ranked, &begin, &end);
      const RankBand band = band_of(n);
      if (!Settle(band.begin, n, ranked, &begin) || !Settle(band.end, n, ranked, &end)) continue;
      end.below.Keep(begin.below, false);
      if (!missing || n == size) return std::move(end.below);
      ranked.Keep(end.below, false);
      SampleSet all = SampleSet::All(size);
      all.Keep(ranked, false);
      return all;
    }
  }

 private:
  using Value = typename Items::Value;
  static constexpr uint64_t kWord = 64;
  static_assert(kPartSize % kPiece == 0 && kPiece % kWord == 0);

  // A place in the order; no two items are in the same one.
  struct Place {
    Value value;
    uint64_t tie;  // the hash, and the item in its low half
  };

  // Items before `low` have smaller ranks than a border, if it was guessed rightly, and those from
  // `high` on have not.
  struct Bracket {
    Place low = {kLeastOf<Value>, 0};
    Place high = {kGreatestOf<Value>, std::numeric_limits<uint64_t>::max()};
  };

  // An item, whose hash is not needed if no other one has its value.
  struct Candidate {
    Value value;
    uint32_t item;
  };

  // Of the items in a bracket and before it.
  struct Found {
    void Append(const Found& other) {
      before += other.before;
      inside.insert(inside.end(), other.inside.begin(), other.inside.end());
    }

    uint64_t before = 0;
    std::vector<Candidate> inside;
  };

  // What is found of the border before a rank.
  struct Border {
    std::optional<Bracket> bracket;  // none: all that have a rank are thought to be on one side
    SampleSet below;
    Found found = {};
  };

  // For what is read and found of a piece.
  struct Room {
    Value values[kPiece];
    RangeBits words[kPiece / kWord];
    Candidate inside[kPiece];
  };

  static uint64_t TieOf(uint64_t k, const PhiloxBlock& hash) { return uint64_t{hash[0]} << 32 | k; }
  uint64_t TieOf(uint64_t k) const { return TieOf(k, Philox(ties_, items_.sample(k))); }

  // Returns the ranked ones among some items: a few neighbours, which cost little more than one,
  // out of each run. Estimates how many of all have a rank, unless null.
  std::vector<Candidate> SampleItems(uint32_t attempt, uint64_t* estimate) const {
    constexpr uint64_t kNeighbours = 8;
    constexpr uint64_t kRun = 8 * kNeighbours;
    constexpr uint64_t kMostRuns = 4096;
    const uint64_t size = items_.size();
    const uint64_t runs = std::min(kMostRuns, size / kRun);
    std::vector<uint64_t> firsts(runs);
    for (uint64_t run = 0; run < runs; ++run) {
      const uint64_t begin = size * run / runs;
      const uint64_t choices = (size * (run + 1) / runs - begin) / kNeighbours;
      const uint64_t chosen = Philox(ties_, run, ~uint64_t{attempt})[0] * choices >> 32;
      firsts[run] = (begin / kNeighbours + chosen) * kNeighbours;
    }
    std::vector<Value> read(runs * kNeighbours);
    for (uint64_t run = 0; run < runs; ++run) {  // cache misses, which overlap
      Value* const values = read.data() + run * kNeighbours;
      const auto in_place = items_.Read(firsts[run], kNeighbours, values);
      if (in_place.data() != values) std::copy_n(in_place.begin(), kNeighbours, values);
    }
    std::vector<Candidate> sample;
    sample.reserve(read.size());
    for (uint64_t k = 0; k < read.size(); ++k) {
      const uint64_t item = firsts[k / kNeighbours] + k % kNeighbours;
      if (read[k] == read[k]) sample.push_back({read[k], static_cast<uint32_t>(item)});
    }
    if (estimate != nullptr) {
      *estimate = runs == 0 ? size : size * sample.size() / (runs * kNeighbours);
    }
    return sample;
  }

  // Returns a bracket of the border before `rank` of n; a wider one with each attempt.
  std::optional<Bracket> BracketOf(uint64_t rank, uint64_t n, uint32_t attempt,
                                   const std::vector<Candidate>& sample) const {
    constexpr double kDeviations = 3;
    if (rank == 0 || rank >= n) return std::nullopt;
    const auto size = static_cast<double>(sample.size());
    const double fraction = static_cast<double>(rank) / static_cast<double>(n);
    const double margin =
        std::ldexp(1 + kDeviations * std::sqrt(size * fraction * (1 - fraction)), attempt);
    const double low = size * fraction - margin;
    const double high = size * fraction + margin;
    Bracket bracket;
    if (low >= 0) bracket.low = NthPlace(static_cast<uint64_t>(low), sample);
    if (high < size) bracket.high = NthPlace(static_cast<uint64_t>(high), sample);
    return bracket;
  }

  // Returns the place of the nth of the candidates. REQUIRES: nth < how many.
  Place NthPlace(uint64_t nth, const std::vector<Candidate>& candidates) const {
    using Key = decltype(OrderedKey(Value()));
    Key least = std::numeric_limits<Key>::max();
    Key greatest = 0;
    for (const Candidate& candidate : candidates) {
      least = std::min(least, OrderedKey(candidate.value));
      greatest = std::max(greatest, OrderedKey(candidate.value));
    }
    // Those whose keys begin alike are few, but for ties.
    constexpr int kBits = 12;
    const int shift = std::max<int>(0, absl::bit_width(static_cast<Key>(greatest - least)) - kBits);
    const auto digit = [&](const Candidate& candidate) {
      return static_cast<size_t>((OrderedKey(candidate.value) - least) >> shift);
    };
    std::vector<uint32_t> counts(size_t{1} << kBits);
    for (const Candidate& candidate : candidates) ++counts[digit(candidate)];
    size_t alike = 0;
    while (nth >= counts[alike]) nth -= counts[alike++];
    std::vector<Value> values;
    for (const Candidate& candidate : candidates) {
      if (digit(candidate) == alike) values.push_back(candidate.value);
    }
    const auto found = values.begin() + static_cast<int64_t>(nth);
    std::nth_element(values.begin(), found, values.end());
    const Value value = *found;
    for (auto smaller = values.begin(); smaller != found; ++smaller) nth -= *smaller < value;
    std::vector<uint64_t> ties;
    for (const Candidate& candidate : candidates) {
      if (candidate.value == value) ties.push_back(TieOf(candidate.item));
    }
    const auto tie = ties.begin() + static_cast<int64_t>(nth);
    std::nth_element(ties.begin(), tie, ties.end());
    return {value, *tie};
  }

  // Inserts the items that have a rank, returns how many, and compares all to the brackets.
  uint64_t Compare(SampleSet* ranked, Border* begin, Border* end) const {
    struct Part {
      uint64_t ranked = 0;
      Found begin;
      Found end;
    };
    std::vector<Part> parts(NumParts(items_.size()));
    ForEachPart(executor_, items_.size(), [&](size_t p, uint64_t first, uint64_t last) {
      Part part;
      Room room;
      for (uint64_t at = first; at < last; at += kPiece) {
        const auto values = items_.Read(at, std::min(kPiece, last - at), room.values);
        InsertRanked(at, values, &room, ranked);
        ComparePiece(at, values, begin, &room, &part.begin);
        ComparePiece(at, values, end, &room, &part.end);
      }
      const auto count = [&](const SampleSet& set) {
        return set.Count(first / kWord, (last + kWord - 1) / kWord);
      };
      part.ranked = count(*ranked);
      part.begin.before = count(begin->below);
      part.end.before = count(end->below);
      parts[p] = std::move(part);
    });
    uint64_t count = 0;
    for (const Part& part : parts) {
      count += part.ranked;
      begin->found.Append(part.begin);
      end->found.Append(part.end);
    }
    return count;
  }

  static void InsertRanked(uint64_t first, absl::Span<const Value> values, Room* room,
                           SampleSet* ranked) {
    CompareToRange(values, kLeastOf<Value>, kGreatestOf<Value>, room->words);
    for (size_t k = 0; k < values.size(); k += kWord) {
      ranked->words()[(first + k) / kWord] = room->words[k / kWord].inside;
    }
  }

  void ComparePiece(uint64_t first, absl::Span<const Value> values, Border* border, Room* room,
                    Found* found) const {
    if (!border->bracket) return;
    const Bracket bracket = *border->bracket;
    CompareToRange(values, bracket.low.value, bracket.high.value, room->words);
    Candidate* inside = room->inside;
    for (size_t k = 0; k < values.size(); k += kWord) {
      border->below.words()[(first + k) / kWord] = CompareWord(
          bracket, first + k, values.subspan(k, kWord), room->words[k / kWord], &inside);
    }
    found->inside.insert(found->inside.end(), room->inside, inside);
  }

  // Appends the items of a word that are in the bracket, and returns the bits of those before it.
  uint64_t CompareWord(const Bracket& bracket, uint64_t first, absl::Span<const Value> values,
                       const RangeBits& bits, Candidate** to) const {
    uint64_t ties = 0;
    Candidate* next = *to;
    for (uint64_t inside = bits.inside; inside != 0; inside &= inside - 1) {
      const int k = absl::countr_zero(inside);
      const Value value = values[k];
      *next++ = {value, static_cast<uint32_t>(first + k)};
      if (value == bracket.low.value || value == bracket.high.value) {
        ties |= inside & -inside;
        --next;
      }
    }
    *to = next;
    return ties == 0 ? bits.below : bits.below | CompareTies(bracket, first, values, ties, to);
  }

  // The same for items with the value of an end of the bracket, which go by their hashes.
  uint64_t CompareTies(const Bracket& bracket, uint64_t first, absl::Span<const Value> values,
                       uint64_t ties, Candidate** to) const {
    constexpr int kMany = 16;  // so that 64 hashes at once cost less
    PhiloxBlock hashes[kWord];
    const bool many = absl::popcount(ties) >= kMany;
    if (many) {
      PhiloxOfSamples(
          ties_, [&](size_t k) { return items_.sample(first + k); },
          absl::MakeSpan(hashes, values.size()));
    }
    uint64_t before = 0;
    for (; ties != 0; ties &= ties - 1) {
      const int k = absl::countr_zero(ties);
      const Value value = values[k];
      const uint64_t tie = many ? TieOf(first + k, hashes[k]) : TieOf(first + k);
      if (value == bracket.low.value && tie < bracket.low.tie) {
        before |= ties & -ties;
      } else if (value != bracket.high.value || tie < bracket.high.tie) {
        *(*to)++ = {value, static_cast<uint32_t>(first + k)};
      }
    }
    return before;
  }

  // Inserts all items before `rank` of n, or returns false if the guess of the border was wrong.
  bool Settle(uint64_t rank, uint64_t n, const SampleSet& ranked, Border* border) const {
    if (!border->bracket) {
      if (rank == n) border->below = ranked;
      return rank == 0 || rank == n;
    }
    const auto& [before, inside] = border->found;
    if (rank < before || rank - before > inside.size()) return false;
    const uint64_t nth = rank - before;
    const Place place = nth == inside.size() ? border->bracket->high : NthPlace(nth, inside);
    for (const Candidate& candidate : inside) {
      bool below = candidate.value < place.value;  // half of them: not to be guessed by a branch
      if (candidate.value == place.value) below = TieOf(candidate.item) < place.tie;
      border->below.words()[candidate.item / kWord] |= uint64_t{below} << candidate.item % kWord;
    }
    return true;
  }

  const Items& items_;
  const PhiloxKey ties_;
  const Executor* const executor_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANKING_H_
