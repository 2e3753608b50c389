// Which items have the ranks of a band, without sorting them.

#ifndef SUBSET_SAMPLING_RANKING_H_
#define SUBSET_SAMPLING_RANKING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "absl/numeric/bits.h"
#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/parts.h"
#include "sampling/philox.h"
#include "sampling/philox_of_samples.h"
#include "sampling/range_bits.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

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
// that one pass leaves a few per cent of all to be ranked; its counts show whether they were right.
// Where they were not (1 in 370), others are asked. One pass for those that have a rank, and one
// for each border inside of them, in parts. A bit an item, and 16 bytes for each of the few.
template <typename Items>
class Ranking {
 public:
  static constexpr uint64_t kPiece = 1024;

  // Items must outlive it.
  Ranking(const Items& items, const PhiloxKey& ties, const Executor* executor)
      : items_(items), ties_(ties), executor_(executor), ranked_(Ranked()) {}

  // How many items have a rank.
  uint64_t count() const { return count_; }

  // Returns the items with ranks begin .. end - 1, where begin <= end <= count(), and with
  // `missing` also those that have none.
  SampleSet Between(uint64_t begin, uint64_t end, bool missing) const {
    SampleSet set = Below(end);
    if (begin > 0) set.Keep(Below(begin), false);
    if (!missing || count_ == items_.size()) return set;
    SampleSet outside = ranked_;
    outside.Keep(set, false);
    SampleSet all = SampleSet::All(items_.size());
    all.Keep(outside, false);
    return all;
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
    uint64_t before = 0;
    std::vector<Candidate> inside;
  };

  static uint64_t TieOf(uint64_t k, const PhiloxBlock& hash) { return uint64_t{hash[0]} << 32 | k; }
  uint64_t TieOf(uint64_t k) const { return TieOf(k, Philox(ties_, items_.sample(k))); }

  // Calls f(first, values, bits for each word of them) for pieces of items first .. last - 1, as
  // they compare to low .. high.
  template <typename F>
  void ForEachPiece(uint64_t first, uint64_t last, Value low, Value high, F f) const {
    Value piece[kPiece];
    RangeBits words[kPiece / kWord];
    for (; first < last; first += kPiece) {
      const auto values = items_.Read(first, std::min(kPiece, last - first), piece);
      CompareToRange(values, low, high, words);
      f(first, values, words);
    }
  }

  SampleSet Ranked() const {
    if constexpr (!std::numeric_limits<Value>::has_quiet_NaN) return SampleSet::All(items_.size());
    SampleSet ranked(items_.size());
    ForEachPart(executor_, items_.size(), [&](size_t, uint64_t first, uint64_t last) {
      ForEachPiece(first, last, kLeastOf<Value>, kGreatestOf<Value>,
                   [&](uint64_t at, absl::Span<const Value> values, const RangeBits* words) {
                     for (size_t k = 0; k < values.size(); k += kWord) {
                       ranked.words()[(at + k) / kWord] = words[k / kWord].inside;
                     }
                   });
    });
    return ranked;
  }

  // Returns the items with ranks below `rank`.
  SampleSet Below(uint64_t rank) const {
    if (rank == 0) return SampleSet(items_.size());
    if (rank == count_) return ranked_;
    for (uint32_t attempt = 0;; ++attempt) {
      SampleSet set(items_.size());
      const Bracket bracket = BracketOf(rank, attempt);
      Found found = Compare(bracket, &set);
      if (rank < found.before || rank - found.before > found.inside.size()) continue;
      const uint64_t nth = rank - found.before;
      const Place border = nth == found.inside.size() ? bracket.high : NthPlace(nth, &found.inside);
      for (const Candidate& candidate : found.inside) {
        const bool below = candidate.value == border.value ? TieOf(candidate.item) < border.tie
                                                           : candidate.value < border.value;
        if (below) set.Insert(candidate.item);
      }
      return set;
    }
  }

  // Returns the place of the nth of the candidates, and reorders them. REQUIRES: nth < how many.
  Place NthPlace(uint64_t nth, std::vector<Candidate>* candidates) const {
    const auto found = candidates->begin() + static_cast<int64_t>(nth);
    std::nth_element(candidates->begin(), found, candidates->end(),
                     [](const Candidate& a, const Candidate& b) { return a.value < b.value; });
    const Value value = found->value;
    std::vector<uint64_t> ties;
    for (const Candidate& candidate : *candidates) {
      nth -= candidate.value < value;
      if (candidate.value == value) ties.push_back(TieOf(candidate.item));
    }
    const auto tie = ties.begin() + static_cast<int64_t>(nth);
    std::nth_element(ties.begin(), tie, ties.end());
    return {value, *tie};
  }

  // Returns a bracket of the border before `rank`; a wider one with each attempt.
  Bracket BracketOf(uint64_t rank, uint32_t attempt) const {
    constexpr double kDeviations = 3;
    std::vector<Candidate> sample = SampleItems(attempt);
    const auto size = static_cast<double>(sample.size());
    const double fraction = static_cast<double>(rank) / static_cast<double>(count_);
    const double margin =
        std::ldexp(1 + kDeviations * std::sqrt(size * fraction * (1 - fraction)), attempt);
    const double low = size * fraction - margin;
    const double high = size * fraction + margin;
    Bracket bracket;
    if (low >= 0) bracket.low = NthPlace(static_cast<uint64_t>(low), &sample);
    if (high < size) bracket.high = NthPlace(static_cast<uint64_t>(high), &sample);
    return bracket;
  }

  // Returns the ranked ones among some items: a few neighbours, which cost little more than one,
  // out of each run.
  std::vector<Candidate> SampleItems(uint32_t attempt) const {
    constexpr uint64_t kNeighbours = 8;
    constexpr uint64_t kRun = 8 * kNeighbours;
    constexpr uint64_t kMostRuns = 4096;
    const uint64_t runs = std::min(kMostRuns, items_.size() / kRun);
    std::vector<Candidate> sample;
    sample.reserve(runs * kNeighbours);
    for (uint64_t run = 0; run < runs; ++run) {
      const uint64_t begin = items_.size() * run / runs;
      const uint64_t choices = (items_.size() * (run + 1) / runs - begin) / kNeighbours;
      const uint64_t chosen = Philox(ties_, run, ~uint64_t{attempt})[0] * choices >> 32;
      const uint64_t first = (begin / kNeighbours + chosen) * kNeighbours;
      Value piece[kNeighbours];
      const auto values = items_.Read(first, kNeighbours, piece);
      for (uint64_t k = 0; k < kNeighbours; ++k) {
        if (values[k] == values[k]) sample.push_back({values[k], static_cast<uint32_t>(first + k)});
      }
    }
    return sample;
  }

  // Inserts the items before the bracket.
  Found Compare(const Bracket& bracket, SampleSet* set) const {
    std::vector<Found> parts(NumParts(items_.size()));
    ForEachPart(executor_, items_.size(), [&](size_t part, uint64_t first, uint64_t last) {
      Found found;
      ForEachPiece(first, last, bracket.low.value, bracket.high.value,
                   [&](uint64_t at, absl::Span<const Value> values, const RangeBits* words) {
                     for (size_t k = 0; k < values.size(); k += kWord) {
                       set->words()[(at + k) / kWord] = CompareWord(
                           bracket, at + k, values.subspan(k, kWord), words[k / kWord], &found);
                     }
                   });
      found.before = set->Count(first / kWord, (last + kWord - 1) / kWord);
      parts[part] = std::move(found);
    });
    Found all;
    size_t inside = 0;
    for (const Found& found : parts) inside += found.inside.size();
    all.inside.reserve(inside);
    for (const Found& found : parts) {
      all.before += found.before;
      all.inside.insert(all.inside.end(), found.inside.begin(), found.inside.end());
    }
    return all;
  }

  // Adds the items of a word that are in the bracket, and returns the bits of those before it.
  uint64_t CompareWord(const Bracket& bracket, uint64_t first, absl::Span<const Value> values,
                       const RangeBits& bits, Found* found) const {
    constexpr int kMany = 16;  // so that 64 hashes at once cost less
    PhiloxBlock hashes[kWord];
    const bool many = absl::popcount(bits.inside) >= kMany;
    if (many) {
      PhiloxOfSamples(
          ties_, [&](size_t k) { return items_.sample(first + k); },
          absl::MakeSpan(hashes, values.size()));
    }
    uint64_t before = bits.below;
    for (uint64_t inside = bits.inside; inside != 0; inside &= inside - 1) {
      const int k = absl::countr_zero(inside);
      const Value value = values[k];
      if (value == bracket.low.value || value == bracket.high.value) {
        const uint64_t tie = many ? TieOf(first + k, hashes[k]) : TieOf(first + k);
        if (value == bracket.low.value && tie < bracket.low.tie) {
          before |= uint64_t{1} << k;
          continue;
        }
        if (value == bracket.high.value && tie >= bracket.high.tie) continue;
      }
      found->inside.push_back({value, static_cast<uint32_t>(first + k)});
    }
    return before;
  }

  const Items& items_;
  const PhiloxKey ties_;
  const Executor* const executor_;
  const SampleSet ranked_;
  const uint64_t count_ = ranked_.Count();
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANKING_H_
