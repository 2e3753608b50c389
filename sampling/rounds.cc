#include "sampling/rounds.h"

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "base/log.h"
#include "sampling/huge_array.h"
#include "sampling/permutation.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kSliceStream = 0;  // sub-streams of Purpose::kRounds
constexpr uint64_t kShuffleStream = 1;

using Numbers = std::vector<uint32_t>;

Permutation OrderOf(StreamKey key, uint64_t n, uint64_t number, uint64_t stream) {
  key.epoch = number;
  return Permutation(n, DeriveKey(key, Purpose::kRounds, stream));
}

Numbers Read(const Permutation& order, uint64_t first, uint64_t count) {
  Numbers numbers = HugeVector<uint32_t>(count);
  order.Fill(first, absl::MakeSpan(numbers));
  return numbers;
}

// How the head of an order completes a slice that already holds `tail`.
struct Head {
  Numbers taken;    // the first `count` numbers that are not in the tail
  Numbers skipped;  // those of the tail that come before the last one taken
};

Head TakeHead(const Permutation& order, const Numbers& tail, uint64_t count) {
  const absl::flat_hash_set<uint32_t> held(tail.begin(), tail.end());
  Head head;
  for (const uint32_t number : Read(order, 0, count + tail.size())) {
    if (head.taken.size() == count) break;
    (held.contains(number) ? head.skipped : head.taken).push_back(number);
  }
  return head;
}

// REQUIRES: 1 <= size <= n / 2, so that the tail of an order is untouched by what its head skips.
Numbers SmallSlice(const StreamKey& key, uint64_t n, uint64_t size, uint64_t round) {
  const unsigned __int128 start = static_cast<unsigned __int128>(round) * size;
  const auto cycle = static_cast<uint64_t>(start / n);
  const auto offset = static_cast<uint64_t>(start % n);
  const Permutation order = OrderOf(key, n, cycle, kSliceStream);
  if (offset + size > n) {  // the tail of this order and the head of the next
    Numbers slice = Read(order, offset, n - offset);
    const Permutation next = OrderOf(key, n, cycle + 1, kSliceStream);
    const Head head = TakeHead(next, slice, size - slice.size());
    slice.insert(slice.end(), head.taken.begin(), head.taken.end());
    return slice;
  }
  if (offset == 0 || offset >= size) return Read(order, offset, size);

  // The slice before took `offset` numbers from the head of this order.
  const uint64_t tail = size - offset;
  const Permutation last = OrderOf(key, n, cycle - 1, kSliceStream);
  Numbers slice = TakeHead(order, Read(last, n - tail, tail), offset).skipped;
  const uint64_t seen = offset + slice.size();
  const Numbers rest = Read(order, seen, offset + size - seen);
  slice.insert(slice.end(), rest.begin(), rest.end());
  return slice;
}

}  // namespace

std::vector<uint32_t> RoundSlice(const StreamKey& key, uint64_t n, uint64_t size, uint64_t round) {
  SUBSET_CHECK(size <= n);
  if (size == 0) return {};
  if (size <= n / 2) return SmallSlice(key, n, size, round);
  std::vector<bool> left_out(n);
  if (size < n) {
    for (const uint32_t i : RoundSlice(key, n, n - size, round)) left_out[i] = true;
  }
  Numbers slice = Read(OrderOf(key, n, round, kShuffleStream), 0, n);
  size_t kept = 0;
  for (const uint32_t i : slice) {
    slice[kept] = i;
    kept += !left_out[i];
  }
  slice.resize(kept);
  return slice;
}

}  // namespace subset::sampling
