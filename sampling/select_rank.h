// The key of a rank without sorting.

#ifndef SUBSET_SAMPLING_SELECT_RANK_H_
#define SUBSET_SAMPLING_SELECT_RANK_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace subset::sampling {

template <typename Key>
struct Ranked {
  Key key;
  uint64_t less;  // how many keys are below it
};

// Returns the key of `rank` < keys.size() in ascending order, for unsigned keys; reorders `keys`.
// O(n): three passes where keys are many and differ.
template <typename Key>
Ranked<Key> SelectRank(absl::Span<Key> keys, uint64_t rank) {
  constexpr uint64_t kFew = 1 << 16;
  constexpr int kBucketBits = 12;
  const auto [least, greatest] = std::minmax_element(keys.begin(), keys.end());
  const Key base = *least;
  const Key width = *greatest - base;
  if (width == 0) return {base, 0};
  if (keys.size() <= kFew) {
    std::nth_element(keys.begin(), keys.begin() + rank, keys.end());
    const Key key = keys[rank];
    const auto below = [key](Key other) { return other < key; };
    return {key, static_cast<uint64_t>(std::count_if(keys.begin(), keys.begin() + rank, below))};
  }
  int shift = 0;
  while ((width >> shift) >> kBucketBits != 0) ++shift;
  std::array<uint32_t, 1 << kBucketBits> counts{};
  for (const Key key : keys) ++counts[(key - base) >> shift];
  uint64_t before = 0;
  Key bucket = 0;
  while (before + counts[bucket] <= rank) before += counts[bucket++];
  if (shift == 0) return {static_cast<Key>(base + bucket), before};
  std::vector<Key> inside;
  inside.reserve(counts[bucket]);
  for (const Key key : keys) {
    if ((key - base) >> shift == bucket) inside.push_back(key);
  }
  const Ranked<Key> found = SelectRank(absl::MakeSpan(inside), rank - before);
  return {found.key, before + found.less};
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELECT_RANK_H_
