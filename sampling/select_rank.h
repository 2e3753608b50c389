// The key of a rank without sorting.

#ifndef SUBSET_SAMPLING_SELECT_RANK_H_
#define SUBSET_SAMPLING_SELECT_RANK_H_

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/parts.h"

namespace subset::sampling {

// Keys that are to be selected from: `count` of them are in low .. low + width.
template <typename Key>
struct KeyRange {
  Key low;
  Key width;
  uint64_t count;

  bool Contains(Key key) const { return static_cast<Key>(key - low) <= width; }
};

template <typename Key>
struct Ranked {
  Key key;
  uint64_t less;   // how many keys of the range are below it
  uint64_t equal;  // how many are the same
};

// Returns the key of `rank` < range.count, in ascending order, among the keys in `range`. Keys are
// unsigned; for_each(first, last, f) calls f(span of keys) until all keys of items first .. last -
// 1 of `ranges` were passed; those outside `range` do not count. A radix selection: the range is
// narrowed to a bucket of keys until they are few. Two passes are usual, and 7 at most; 1 MiB, and
// 16 KiB a thread where keys are many.
template <typename Key, typename ForEach>
Ranked<Key> SelectRank(const Ranges& ranges, KeyRange<Key> range, uint64_t rank, ForEach for_each) {
  constexpr uint64_t kFew = 1 << 16;
  constexpr int kBucketBits = 12;
  uint64_t less = 0;
  while (range.count > kFew && range.width > 0) {
    int shift = 0;
    while ((range.width >> shift) >> kBucketBits != 0) ++shift;
    std::vector<std::vector<uint32_t>> counts(ranges.count());
    ranges.ForEach([&](size_t r, uint64_t first, uint64_t last) {
      std::vector<uint32_t> own(size_t{1} << kBucketBits);
      for_each(first, last, [range, shift, bucket = own.data()](absl::Span<const Key> keys) {
        for (const Key key : keys) {
          if (range.Contains(key)) ++bucket[static_cast<Key>(key - range.low) >> shift];
        }
      });
      counts[r] = std::move(own);
    });
    const auto count_of = [&](Key bucket) {
      uint64_t sum = 0;
      for (const auto& own : counts) sum += own[bucket];
      return sum;
    };
    Key bucket = 0;
    for (; (range.count = count_of(bucket)) <= rank; ++bucket) {
      rank -= range.count;
      less += range.count;
    }
    const Key skipped = bucket << shift;
    range.low += skipped;
    range.width = std::min<Key>(range.width - skipped, (Key{1} << shift) - 1);
  }
  if (range.width == 0) return {range.low, less, range.count};

  std::vector<std::vector<Key>> inside(ranges.count());
  ranges.ForEach([&](size_t r, uint64_t first, uint64_t last) {
    std::vector<Key> own;
    for_each(first, last, [&](absl::Span<const Key> keys) {
      for (const Key key : keys) {
        if (range.Contains(key)) own.push_back(key);
      }
    });
    inside[r] = std::move(own);
  });
  std::vector<Key> keys = std::move(inside[0]);
  for (size_t r = 1; r < inside.size(); ++r) {
    keys.insert(keys.end(), inside[r].begin(), inside[r].end());
  }
  const auto found = keys.begin() + rank;
  std::nth_element(keys.begin(), found, keys.end());
  const Key key = *found;
  const auto below = std::count_if(keys.begin(), found, [key](Key other) { return other < key; });
  return {key, less + below, static_cast<uint64_t>(std::count(keys.begin(), keys.end(), key))};
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELECT_RANK_H_
