#include "engine/position_set.h"

#include <algorithm>

namespace subset {

void PositionSet::Add(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin() && std::prev(it)->second >= begin) --it;
  while (it != intervals_.end() && it->first <= end) {
    begin = std::min(begin, it->first);
    end = std::max(end, it->second);
    size_ -= it->second - it->first;
    it = intervals_.erase(it);
  }
  intervals_.emplace(begin, end);
  size_ += end - begin;
}

uint64_t PositionSet::CountIn(uint64_t begin, uint64_t end) const {
  uint64_t count = 0;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin()) --it;
  for (; it != intervals_.end() && it->first < end; ++it) {
    const uint64_t from = std::max(begin, it->first);
    const uint64_t to = std::min(end, it->second);
    if (from < to) count += to - from;
  }
  return count;
}

std::vector<Block> PositionSet::Gaps(uint64_t begin, uint64_t end) const {
  std::vector<Block> gaps;
  auto it = intervals_.upper_bound(begin);
  if (it != intervals_.begin()) begin = std::max(begin, std::prev(it)->second);
  for (; begin < end; ++it) {
    const uint64_t until = it == intervals_.end() ? end : std::min(end, it->first);
    if (begin < until) gaps.push_back({begin, until});
    if (it == intervals_.end()) break;
    begin = it->second;
  }
  return gaps;
}

uint64_t PositionSet::FirstGap(uint64_t begin) const {
  // Intervals lie apart, so what follows one is a gap.
  const auto it = intervals_.upper_bound(begin);
  return it == intervals_.begin() ? begin : std::max(begin, std::prev(it)->second);
}

}  // namespace subset
