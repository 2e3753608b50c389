// Which items have the ranks of a band, without sorting them.

#ifndef SUBSET_SAMPLING_RANKING_H_
#define SUBSET_SAMPLING_RANKING_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/pack_bits.h"
#include "sampling/parts.h"
#include "sampling/philox.h"
#include "sampling/sample_set.h"
#include "sampling/select_rank.h"

namespace subset::sampling {

// Items 0 .. size - 1 in ascending order of their keys, equal ones in that of a hash of their
// samples under `ties`, never of the samples themselves. `Items` has
//
//   Key                          uint32_t or uint64_t
//   kHasMissing                  whether the greatest Key stands for an item that has no rank
//   size()
//   sample(k)                    the sample of item k
//   Read(first, absl::Span<Key>) writes the keys of items first, first + 1, ...
//
// and is read by several threads of the executor. Hashes are made only where keys are that of a
// border of the band. A few passes, each in parts; a bit an item and 1 MiB.
template <typename Items>
class Ranking {
 public:
  // Items must outlive it.
  Ranking(const Items& items, const PhiloxKey& ties, const Executor* executor)
      : items_(items),
        ties_(ties),
        ranges_(executor, items.size(), kPartSize),
        range_(RangeOfKeys()) {}

  // How many items have a rank.
  uint64_t count() const { return range_.count; }

  // Returns the items with ranks begin .. end - 1, where begin <= end <= count(), and with
  // `missing` also those that have none.
  SampleSet Between(uint64_t begin, uint64_t end, bool missing) const {
    SampleSet set(items_.size());
    const Border from = BorderAt(begin);
    const Border until = BorderAt(end);
    ranges_.ForEach([&](size_t, uint64_t first, uint64_t last) {
      ForEachPiece(first, last, [&](uint64_t at, absl::Span<const Key> keys) {
        for (; !keys.empty(); at += kWord) {
          const auto word = keys.subspan(0, kWord);
          set.words()[at / kWord] = Inside(at, word, from, until, missing);
          keys.remove_prefix(word.size());
        }
      });
    });
    return set;
  }

 private:
  using Key = typename Items::Key;
  static constexpr Key kGreatest = std::numeric_limits<Key>::max();
  static constexpr uint64_t kPiece = 1024;
  static constexpr uint64_t kWord = 64;
  static_assert(kPartSize % kPiece == 0 && kPiece % kWord == 0);

  // Before it are the items with smaller keys, and those of its key with smaller ties.
  struct Border {
    Key key;
    uint64_t tie;
  };

  static bool Missing(Key key) { return Items::kHasMissing && key == kGreatest; }

  // No two items have the same one, nor any of them 2^64 - 1.
  uint64_t TieOf(uint64_t k) const {
    return uint64_t{Philox(ties_, items_.sample(k))[0]} << 32 | k;
  }

  bool Before(Key key, uint64_t k, const Border& border) const {
    if (key != border.key) return key < border.key;
    return border.tie != 0 && TieOf(k) < border.tie;
  }

  // Calls f(first, keys) for pieces of items first .. last - 1.
  template <typename F>
  void ForEachPiece(uint64_t first, uint64_t last, F f) const {
    Key piece[kPiece];
    for (; first < last; first += kPiece) {
      const auto keys = absl::MakeSpan(piece, std::min(kPiece, last - first));
      items_.Read(first, keys);
      f(first, absl::Span<const Key>(keys));
    }
  }

  // The least range with all keys of items that have a rank.
  KeyRange<Key> RangeOfKeys() const {
    struct Part {
      Key least = kGreatest;
      Key greatest = 0;
      uint64_t missing = 0;
    };
    std::vector<Part> parts(ranges_.count());
    ranges_.ForEach([&](size_t r, uint64_t first, uint64_t last) {
      Part part;
      ForEachPiece(first, last, [&](uint64_t, absl::Span<const Key> keys) {
        for (const Key key : keys) {
          part.least = std::min(part.least, key);
          part.greatest = std::max(part.greatest, Missing(key) ? Key{0} : key);
          part.missing += Missing(key);
        }
      });
      parts[r] = part;
    });
    Part all;
    for (const Part& part : parts) {
      all.least = std::min(all.least, part.least);
      all.greatest = std::max(all.greatest, part.greatest);
      all.missing += part.missing;
    }
    return {all.least, static_cast<Key>(all.greatest - all.least), items_.size() - all.missing};
  }

  Border BorderAt(uint64_t rank) const {
    if (rank == 0) return {0, 0};
    if (rank == count()) return {kGreatest, std::numeric_limits<uint64_t>::max()};
    const auto found =
        SelectRank(ranges_, range_, rank, [&](uint64_t first, uint64_t last, auto f) {
          ForEachPiece(first, last, [&](uint64_t, absl::Span<const Key> keys) { f(keys); });
        });
    if (rank == found.less) return {found.key, 0};
    const KeyRange<uint64_t> ties = {0, std::numeric_limits<uint64_t>::max(), found.equal};
    const auto tie =
        SelectRank(ranges_, ties, rank - found.less, [&](uint64_t first, uint64_t last, auto f) {
          ForEachPiece(first, last, [&](uint64_t at, absl::Span<const Key> keys) {
            uint64_t equal[kPiece];
            size_t count = 0;
            for (size_t k = 0; k < keys.size(); ++k) {
              if (keys[k] == found.key) equal[count++] = TieOf(at + k);
            }
            f(absl::MakeConstSpan(equal, count));
          });
        });
    return {found.key, tie.key};
  }

  // Returns a bit for each of up to 64 items.
  uint64_t Inside(uint64_t first, absl::Span<const Key> keys, const Border& from,
                  const Border& until, bool missing) const {
    uint8_t inside[kWord] = {};  // bytes, so that the compiler makes vectors of them
    uint8_t tied = 0;
    for (size_t k = 0; k < keys.size(); ++k) {
      const Key key = keys[k];
      const bool ranked = !Missing(key);
      inside[k] = ((key > from.key) & (key < until.key) & ranked) | (!ranked & missing);
      tied |= ((key == from.key) | (key == until.key)) & ranked;
    }
    if (tied != 0) {
      for (size_t k = 0; k < keys.size(); ++k) {
        if (Missing(keys[k])) continue;
        inside[k] = !Before(keys[k], first + k, from) && Before(keys[k], first + k, until);
      }
    }
    return PackBits(inside);
  }

  const Items& items_;
  const PhiloxKey ties_;
  const Ranges ranges_;
  const KeyRange<Key> range_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANKING_H_
