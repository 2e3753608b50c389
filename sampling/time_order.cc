#include "sampling/time_order.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/numeric/bits.h"
#include "absl/types/span.h"
#include "sampling/by_slot.h"
#include "sampling/huge_array.h"
#include "sampling/ordered_key.h"
#include "sampling/parts.h"
#include "sampling/radix_sort.h"

namespace subset::sampling {
namespace {

constexpr int kKeyBits = 32;
constexpr uint64_t kUnit = 1024;  // slots of a range

// Times by slot, as keys of their order (ordered_key.h).
HugeArray<uint64_t> KeysOf(const ColumnView& times, const Population& population,
                           const Executor* executor) {
  HugeArray<uint64_t> keys(population.size());
  const auto read = [&times](uint64_t first, absl::Span<uint64_t> out) {
    ForEachChunk(ViewFrom(times, first), out.size(), [out](uint64_t at, const auto& values) {
      using T = std::remove_cv_t<std::remove_reference_t<decltype(values[0])>>;
      using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
      for (size_t k = 0; k < values.size(); ++k) {
        out[at + k] = OrderedKey(static_cast<Wide>(values[k]));
      }
    });
  };
  GatherBySlot(population, read, executor, keys.data());
  return keys;
}

// What is known of some keys.
struct Extent {
  uint64_t least = std::numeric_limits<uint64_t>::max();
  uint64_t greatest = 0;
  uint64_t count = 0;
};

// Writes key bits << 32 | slot of the slots that have a time, by slot. Returns how many bits.
int MakeEntries(absl::Span<const uint64_t> keys, bool has_missing, const Executor* executor,
                HugeArray<uint64_t>* entries) {
  const auto missing = [has_missing](uint64_t key) {
    return has_missing && key == std::numeric_limits<uint64_t>::max();
  };
  const Ranges ranges(executor, keys.size(), kUnit);
  std::vector<Extent> parts(ranges.count());
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    Extent extent;
    for (uint64_t slot = first; slot < last; ++slot) {
      if (missing(keys[slot])) continue;
      extent.least = std::min(extent.least, keys[slot]);
      extent.greatest = std::max(extent.greatest, keys[slot]);
      ++extent.count;
    }
    parts[range] = extent;
  });
  Extent all;
  for (Extent& part : parts) {
    all.least = std::min(all.least, part.least);
    all.greatest = std::max(all.greatest, part.greatest);
    all.count += std::exchange(part.count, all.count);
  }
  if (all.count == 0) return 0;
  const int bits = absl::bit_width(all.greatest - all.least);
  const int shift = std::max(0, bits - kKeyBits);
  *entries = HugeArray<uint64_t>(all.count);
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    uint64_t* next = entries->data() + parts[range].count;
    for (uint64_t slot = first; slot < last; ++slot) {
      if (!missing(keys[slot])) *next++ = (keys[slot] - all.least) >> shift << kKeyBits | slot;
    }
  });
  return bits - shift;
}

// Calls f(run) for each run of entries with the same key bits that begins in entries first .. last
// - 1; it may end behind them.
template <typename F>
void ForEachRun(absl::Span<const uint64_t> sorted, uint64_t first, uint64_t last, F f) {
  const auto same = [sorted](uint64_t a, uint64_t b) {
    return sorted[a] >> kKeyBits == sorted[b] >> kKeyBits;
  };
  while (first < last && first > 0 && same(first, first - 1)) ++first;
  while (first < last) {
    uint64_t end = first + 1;
    while (end < sorted.size() && same(first, end)) ++end;
    f(first, sorted.subspan(first, end - first));
    first = end;
  }
}

}  // namespace

std::vector<uint32_t> SlotsByTime(const ColumnView& times, const Population& population,
                                  const PhiloxKey& ties, const Executor* executor) {
  const HugeArray<uint64_t> keys = KeysOf(times, population, executor);
  HugeArray<uint64_t> entries;
  const int bits = MakeEntries({keys.data(), keys.size()}, !times.integer(), executor, &entries);
  {
    HugeArray<uint64_t> scratch(entries.size());
    RadixSort({entries.data(), entries.size()}, bits, {scratch.data(), scratch.size()}, executor);
  }
  std::vector<uint32_t> slots = HugeVector<uint32_t>(entries.size());
  const absl::Span<const uint64_t> sorted = {entries.data(), entries.size()};
  ForEachPart(executor, sorted.size(), [&](size_t, uint64_t begin, uint64_t end) {
    struct Moment {
      uint64_t key;
      uint64_t tie;
      uint32_t slot;
    };
    std::vector<Moment> moments;
    ForEachRun(sorted, begin, end, [&](uint64_t first, absl::Span<const uint64_t> run) {
      if (run.size() == 1) {
        slots[first] = static_cast<uint32_t>(run[0]);
        return;
      }
      moments.clear();
      for (const uint64_t entry : run) {
        const auto slot = static_cast<uint32_t>(entry);
        moments.push_back({keys[slot], BlockLow(Philox(ties, population.sample(slot))), slot});
      }
      std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
        return std::tie(a.key, a.tie, a.slot) < std::tie(b.key, b.tie, b.slot);
      });
      for (const Moment& moment : moments) slots[first++] = moment.slot;
    });
  });
  return slots;
}

}  // namespace subset::sampling
