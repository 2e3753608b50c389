// Slots in the order of their scores; ties by a keyed hash of the sample, never by its index.

#ifndef SUBSET_SAMPLING_RANKS_H_
#define SUBSET_SAMPLING_RANKS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/huge_array.h"
#include "sampling/philox.h"
#include "sampling/population.h"
#include "sampling/preferred_scores.h"

namespace subset::sampling {

// What slots are ranked by. Valid as long as what it refers to.
struct RankedBy {
  const PreferredScores& scores;
  double unscored;  // the score of slots without one; NaN: they have no rank
  const Population& population;
  std::optional<PhiloxKey> ties;  // null: the order of equal scores does not matter
};

// Keys from `least` to `greatest`; none at first.
struct FloatKeys {
  uint32_t least = std::numeric_limits<uint32_t>::max();
  uint32_t greatest = 0;

  bool empty() const { return least > greatest; }
  void Add(uint32_t key) { Add({key, key}); }
  void Add(FloatKeys other) {
    least = std::min(least, other.least);
    greatest = std::max(greatest, other.greatest);
  }
  bool Contains(uint32_t key) const { return least <= key && key <= greatest; }
};

// The slots first .. last - 1 of a population that have a rank, sorted. Immutable; thread-safe.
//
// A radix sort by scores as floats; only slots whose floats are the same are looked at again, for
// what doubles tell apart and for ties. O(n) for scores of any distribution, in parts by the
// executor (null: the calling thread), which does not change the order. 8 bytes a slot, and 8 more
// while it sorts.
class Ranks {
 public:
  Ranks(const RankedBy& by, uint64_t first, uint64_t last, const Executor* executor);

  uint64_t size() const { return entries_.size(); }

  // The slot of a rank; rank 0 is the largest score.
  uint32_t slot(uint64_t rank) const { return static_cast<uint32_t>(entries_[At(rank)]); }

  // Whether a rank and the next one have the same score. REQUIRES: there were no ties to sort by.
  bool TiedWithNext(uint64_t rank) const;

 private:
  uint64_t At(uint64_t rank) const { return entries_.size() - 1 - rank; }

  const RankedBy by_;
  FloatKeys inexact_;            // of the scores that are not floats
  HugeArray<uint64_t> entries_;  // key << 32 | slot, the smallest score first
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANKS_H_
