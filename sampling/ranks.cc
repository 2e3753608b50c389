#include "sampling/ranks.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/numeric/bits.h"
#include "sampling/ordered_key.h"
#include "sampling/parts.h"
#include "sampling/radix_sort.h"

namespace subset::sampling {
namespace {

using Entries = absl::Span<uint64_t>;

constexpr int kKeyBits = 32;
constexpr uint64_t kUnit = 1024;  // entries of a range

uint32_t KeyOf(uint64_t entry) { return static_cast<uint32_t>(entry >> kKeyBits); }
uint32_t SlotOf(uint64_t entry) { return static_cast<uint32_t>(entry); }
uint64_t ToEntry(uint32_t key, uint64_t slot) { return uint64_t{key} << kKeyBits | slot; }

// Calls f(slot, score) for slots first .. last - 1.
template <typename F>
void ForEachScore(const RankedBy& by, uint64_t first, uint64_t last, F f) {
  by.scores.ForEach(first, last, [&](uint64_t slot, double score) {
    f(slot, score != score ? by.unscored : score);
  });
}

// Rounding to floats keeps the order, but for what it makes equal.
uint32_t FloatKey(double score) { return OrderedKey(static_cast<float>(score)); }

uint64_t ScoreKey(const RankedBy& by, uint64_t entry) {
  uint64_t key = 0;
  ForEachScore(by, SlotOf(entry), SlotOf(entry) + uint64_t{1},
               [&key](uint64_t, double score) { key = OrderedKey(score); });
  return key;
}

uint32_t TieOf(const RankedBy& by, uint64_t entry) {
  return Philox(*by.ties, by.population.sample(SlotOf(entry)))[0];
}

// Sorts entries that have keys, so that equal ones, too, are in their order.
class Sorter {
 public:
  Sorter(const RankedBy& by, const FloatKeys& inexact, Entries entries)
      : by_(by), inexact_(inexact), entries_(entries), scratch_(entries.size()) {}

  void Sort(int key_bits, const Executor* executor) {
    RadixSort(entries_, key_bits, ScratchOf(entries_), executor);
    ForEachRun(entries_, executor, [this](Entries run, const Executor* by_whom) {
      inexact_.Contains(KeyOf(run[0])) ? SortScores(run, by_whom) : SortTies(run, by_whom);
    });
  }

 private:
  static constexpr size_t kFew = 64;

  Entries ScratchOf(Entries run) {
    return absl::MakeSpan(scratch_.data() + (run.data() - entries_.data()), run.size());
  }

  // Calls f(run, executor) for the longest runs of equal keys, of two entries and more; f may
  // change them. Those longer than a part come last, one after the other.
  template <typename F>
  static void ForEachRun(Entries sorted, const Executor* executor, F f) {
    const auto key_less = [](uint64_t key, uint64_t entry) { return key < KeyOf(entry); };
    std::vector<uint64_t*> begins;  // of the runs that begin in each part
    for (uint64_t first = 0; first < sorted.size(); first += kPartSize) {
      uint64_t* const begin = sorted.data() + first;
      begins.push_back(first == 0 ? begin
                                  : std::upper_bound(begin, sorted.data() + sorted.size(),
                                                     KeyOf(begin[-1]), key_less));
    }
    begins.push_back(sorted.data() + sorted.size());
    std::vector<Entries> long_runs(begins.size() - 1);  // at most one begins in a part
    RunParts(executor, long_runs.size(), [&](size_t part) {
      uint64_t* const end = begins[part + 1];
      for (uint64_t* first = begins[part]; first < end;) {
        uint64_t* last = first + 1;
        while (last < end && KeyOf(*last) == KeyOf(*first)) ++last;
        const Entries run = absl::MakeSpan(first, last);
        first = last;
        if (run.size() > kPartSize) {
          long_runs[part] = run;
        } else if (run.size() > 1) {
          f(run, nullptr);
        }
      }
    });
    for (const Entries run : long_runs) {
      if (!run.empty()) f(run, executor);
    }
  }

  template <typename NewKey>
  static void SetKeys(Entries run, const Executor* executor, NewKey new_key) {
    Ranges(executor, run.size(), kUnit).ForEach([&](size_t, uint64_t first, uint64_t last) {
      for (uint64_t& entry : run.subspan(first, last - first)) {
        entry = ToEntry(new_key(entry), SlotOf(entry));
      }
    });
  }

  // Sorts entries of one key by their scores as doubles, and leaves them the key.
  void SortScores(Entries run, const Executor* executor) {
    if (run.size() <= kFew) return SortFew(run);
    const uint32_t key = KeyOf(run[0]);
    const auto [least, greatest] = ScoresOf(run, executor);
    if (least == greatest) return SortTies(run, executor);
    const int bits = absl::bit_width(greatest - least);
    const int shift = std::max(0, bits - kKeyBits);
    SetKeys(run, executor, [this, from = least, shift](uint64_t entry) {
      return static_cast<uint32_t>((ScoreKey(by_, entry) - from) >> shift);
    });
    RadixSort(run, bits - shift, ScratchOf(run), executor);
    ForEachRun(run, executor, [this, shift](Entries equal, const Executor* by_whom) {
      shift > 0 ? SortScores(equal, by_whom) : SortTies(equal, by_whom);
    });
    SetKeys(run, executor, [key](uint64_t) { return key; });
  }

  struct ScoreKeys {
    uint64_t least;
    uint64_t greatest;
  };
  ScoreKeys ScoresOf(Entries run, const Executor* executor) const {
    const Ranges ranges(executor, run.size(), kUnit);
    std::vector<ScoreKeys> of_ranges(ranges.count(), {ScoreKey(by_, run[0]), 0});
    ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
      ScoreKeys own = of_ranges[range];
      for (const uint64_t entry : run.subspan(first, last - first)) {
        const uint64_t key = ScoreKey(by_, entry);
        own = {std::min(own.least, key), std::max(own.greatest, key)};
      }
      of_ranges[range] = own;
    });
    ScoreKeys all = of_ranges[0];
    for (const ScoreKeys& own : of_ranges) {
      all = {std::min(all.least, own.least), std::max(all.greatest, own.greatest)};
    }
    return all;
  }

  void SortFew(Entries run) const {
    struct {
      uint64_t score;
      uint64_t entry;
    } few[kFew];
    for (size_t k = 0; k < run.size(); ++k) {
      const uint32_t tie = by_.ties.has_value() ? TieOf(by_, run[k]) : 0;
      few[k] = {ScoreKey(by_, run[k]), ToEntry(tie, SlotOf(run[k]))};
    }
    std::sort(few, few + run.size(), [](const auto& a, const auto& b) {
      return std::tie(a.score, a.entry) < std::tie(b.score, b.entry);
    });
    const uint32_t key = KeyOf(run[0]);
    for (size_t k = 0; k < run.size(); ++k) run[k] = ToEntry(key, SlotOf(few[k].entry));
  }

  // Sorts entries of equal scores; their keys become those of ties, if they are sorted at all.
  void SortTies(Entries run, const Executor* executor) {
    if (!by_.ties.has_value()) return;
    Ranges(executor, run.size(), kUnit).ForEach([&](size_t, uint64_t first, uint64_t last) {
      for (; first < last; first += kFew) {
        HashFew(run.subspan(first, std::min<uint64_t>(kFew, last - first)));
      }
    });
    RadixSort(run, kKeyBits, ScratchOf(run), executor);
  }

  // Gives entries the hashes of their samples as keys; where the samples are close to each other,
  // the hashes of all samples between them take less time.
  void HashFew(Entries few) const {
    constexpr size_t kSparse = 4;
    PhiloxBlock hashes[kFew * kSparse];
    const uint32_t first = by_.population.sample(SlotOf(few[0]));
    const auto place_of = [&](uint64_t entry) {  // wraps where a sample is before the first one
      return by_.population.sample(SlotOf(entry)) - first;
    };
    uint32_t last = 0;
    for (const uint64_t entry : few) last = std::max(last, place_of(entry));
    if (last >= few.size() * kSparse) {
      for (uint64_t& entry : few) entry = ToEntry(TieOf(by_, entry), SlotOf(entry));
      return;
    }
    PhiloxFill(*by_.ties, first, 0, absl::MakeSpan(hashes, last + 1));
    for (uint64_t& entry : few) entry = ToEntry(hashes[place_of(entry)][0], SlotOf(entry));
  }

  const RankedBy& by_;
  const FloatKeys& inexact_;
  const Entries entries_;
  HugeArray<uint64_t> scratch_;
};

}  // namespace

Ranks::Ranks(const RankedBy& by, uint64_t first, uint64_t last, const Executor* executor)
    : by_(by) {
  struct Part {
    uint64_t ranked = 0;
    FloatKeys keys;
    FloatKeys inexact;
  };
  const Ranges ranges(executor, last - first, kUnit);
  std::vector<Part> parts(ranges.count());
  ranges.ForEach([&](size_t range, uint64_t from, uint64_t until) {
    Part part;
    ForEachScore(by, first + from, first + until, [&part](uint64_t, double score) {
      if (score != score) return;
      const uint32_t key = FloatKey(score);
      part.keys.Add(key);
      if (static_cast<float>(score) != score) part.inexact.Add(key);
      ++part.ranked;
    });
    parts[range] = part;
  });
  FloatKeys keys;
  uint64_t ranked = 0;
  for (Part& part : parts) {
    keys.Add(part.keys);
    inexact_.Add(part.inexact);
    ranked += std::exchange(part.ranked, ranked);
  }
  if (ranked == 0) return;
  entries_ = HugeArray<uint64_t>(ranked);
  ranges.ForEach([&](size_t range, uint64_t from, uint64_t until) {
    uint64_t* next = entries_.data() + parts[range].ranked;
    ForEachScore(by, first + from, first + until, [&](uint64_t slot, double score) {
      if (score == score) *next++ = ToEntry(FloatKey(score) - keys.least, slot);
    });
  });
  if (!inexact_.empty()) {
    inexact_.least -= keys.least;
    inexact_.greatest -= keys.least;
  }
  Sorter(by_, inexact_, absl::MakeSpan(entries_.data(), ranked))
      .Sort(absl::bit_width(keys.greatest - keys.least), executor);
}

bool Ranks::TiedWithNext(uint64_t rank) const {
  const uint64_t entry = entries_[At(rank)];
  const uint64_t next = entries_[At(rank + 1)];
  if (KeyOf(entry) != KeyOf(next)) return false;
  return !inexact_.Contains(KeyOf(entry)) || ScoreKey(by_, entry) == ScoreKey(by_, next);
}

}  // namespace subset::sampling
