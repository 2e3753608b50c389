// A set of positions as intervals: what of an epoch was acknowledged.

#ifndef SUBSET_ENGINE_POSITION_SET_H_
#define SUBSET_ENGINE_POSITION_SET_H_

#include <cstdint>
#include <map>

namespace subset {

// Not thread-safe. Each operation costs O(log n) in the number of gaps, plus the intervals it
// meets.
class PositionSet {
 public:
  // Adds [begin, end); what is in it already stays.
  void Add(uint64_t begin, uint64_t end);

  // Returns how many of [begin, end) are in the set.
  uint64_t CountIn(uint64_t begin, uint64_t end) const;

  uint64_t size() const { return size_; }

  // The intervals, begin -> end: apart and not empty.
  const std::map<uint64_t, uint64_t>& intervals() const { return intervals_; }

 private:
  std::map<uint64_t, uint64_t> intervals_;
  uint64_t size_ = 0;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_POSITION_SET_H_
