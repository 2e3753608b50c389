// A set of positions as intervals: what of an epoch was acknowledged.

#ifndef SUBSET_ENGINE_POSITION_SET_H_
#define SUBSET_ENGINE_POSITION_SET_H_

#include <cstdint>
#include <map>
#include <vector>

namespace subset {

// Positions [begin, end).
struct Block {
  uint64_t begin = 0;
  uint64_t end = 0;

  uint64_t size() const { return end - begin; }
  friend bool operator==(const Block& a, const Block& b) {
    return a.begin == b.begin && a.end == b.end;
  }
};

// Not thread-safe. Each operation costs O(log n) in the number of gaps, plus the intervals it
// meets.
class PositionSet {
 public:
  // Adds [begin, end); what is in it already stays.
  void Add(uint64_t begin, uint64_t end);

  // Returns how many of [begin, end) are in the set.
  uint64_t CountIn(uint64_t begin, uint64_t end) const;

  // Returns what of [begin, end) is not in the set, in order.
  std::vector<Block> Gaps(uint64_t begin, uint64_t end) const;

  // Returns the first position at or after `begin` that is not in the set.
  uint64_t FirstGap(uint64_t begin) const;

  uint64_t size() const { return size_; }

  // The intervals, begin -> end: apart and not empty.
  const std::map<uint64_t, uint64_t>& intervals() const { return intervals_; }

 private:
  std::map<uint64_t, uint64_t> intervals_;
  uint64_t size_ = 0;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_POSITION_SET_H_
