#include "sampling/quota_order.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/types/span.h"
#include "base/log.h"

namespace subset::sampling {
namespace {

using Wide = unsigned __int128;

// floor(n * D / u) for n = 0, 1, ..., where u of D units are a stratum's share: unit n may fall
// into slot floor(n D / u) or later, and must fall before ceil((n + 1) D / u).
class Times {
 public:
  Times(uint64_t denominator, uint64_t units)
      : units_(units), step_(denominator / units), step_rest_(denominator % units) {}

  uint64_t floor() const { return time_; }
  uint64_t ceil() const { return time_ + (rest_ > 0); }
  void Advance() {
    time_ += step_;
    rest_ += step_rest_;
    if (rest_ < units_) return;
    rest_ -= units_;
    ++time_;
  }

 private:
  uint64_t units_;
  uint64_t step_;
  uint64_t step_rest_;
  uint64_t time_ = 0;
  uint64_t rest_ = 0;
};

// How many slots each stratum fills: slots * p_g, rounded up or down. The parts after the point are
// rounded systematically in the order in which their units become possible, the latest first: of
// the units that only the last slots can take, never more are picked than there is room for.
std::vector<uint64_t> Totals(const Shares& shares, uint64_t slots, const StreamKey& key) {
  struct Part {
    uint64_t release;
    size_t stratum;
    uint64_t part;  // of the denominator
  };
  const uint64_t denominator = shares.denominator();
  std::vector<uint64_t> totals;
  std::vector<Part> parts;
  for (size_t g = 0; g + 1 < shares.cumulative.size(); ++g) {
    const uint64_t units = shares.units(g);
    const Wide exact = Wide{slots} * units;
    totals.push_back(static_cast<uint64_t>(exact / denominator));
    const auto part = static_cast<uint64_t>(exact % denominator);
    if (part == 0) continue;
    parts.push_back({static_cast<uint64_t>(Wide{totals[g]} * denominator / units), g, part});
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return std::make_tuple(b.release, a.stratum) < std::make_tuple(a.release, b.stratum);
  });
  Wide sum = RoundingOffset(key, denominator);
  for (const Part& part : parts) {
    sum += part.part;
    if (sum < denominator) continue;
    sum -= denominator;
    ++totals[part.stratum];
  }
  return totals;
}

// Strata that wait for the slot from which their next unit is possible: each in one list.
class Calendar {
 public:
  Calendar(uint64_t slots, size_t strata) : first_(slots, kNone), next_(strata) {}

  void Add(uint64_t slot, uint32_t stratum) {
    next_[stratum] = first_[slot];
    first_[slot] = stratum;
  }
  template <typename F>
  void ForEach(uint64_t slot, F f) const {
    for (uint32_t g = first_[slot]; g != kNone; g = next_[g]) f(g);
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<uint32_t> first_;
  std::vector<uint32_t> next_;
};

std::vector<uint16_t> EarliestDeadlineFirst(const Shares& shares, uint64_t slots,
                                            std::vector<uint64_t> left) {
  std::vector<Times> times;
  Calendar calendar(slots, left.size());
  for (size_t g = 0; g < left.size(); ++g) {
    times.emplace_back(shares.denominator(), std::max<uint64_t>(1, shares.units(g)));
    if (left[g] > 0) calendar.Add(0, static_cast<uint32_t>(g));
  }
  using Unit = std::pair<uint64_t, uint32_t>;  // deadline and stratum
  std::priority_queue<Unit, std::vector<Unit>, std::greater<>> possible;
  std::vector<uint16_t> order(slots);
  for (uint64_t slot = 0; slot < slots; ++slot) {
    calendar.ForEach(slot, [&](uint32_t g) {
      times[g].Advance();
      possible.emplace(times[g].ceil(), g);
    });
    SUBSET_CHECK(!possible.empty());
    const uint32_t g = possible.top().second;
    possible.pop();
    order[slot] = static_cast<uint16_t>(g);
    if (--left[g] > 0) calendar.Add(std::max(slot + 1, times[g].floor()), g);
  }
  return order;
}

// Fisher and Yates inside each batch.
void ShuffleBatches(uint32_t batch_size, const StreamKey& key, std::vector<uint16_t>* order) {
  if (batch_size <= 1) return;
  const PhiloxKey philox = DeriveKey(key, Purpose::kBatchOrder);
  std::array<PhiloxBlock, 256> blocks;
  uint64_t batch_end = 0;
  for (uint64_t p = 0; p < order->size(); ++p) {
    if (p % blocks.size() == 0) PhiloxFill(philox, p, 0, absl::MakeSpan(blocks));
    if (p == batch_end) batch_end = std::min<uint64_t>(p + batch_size, order->size());
    const uint64_t other =
        p + UniformIntFromBlock(blocks[p % blocks.size()], philox, p, batch_end - p);
    std::swap((*order)[p], (*order)[other]);
  }
}

}  // namespace

std::vector<uint16_t> QuotaOrder(const Shares& shares, uint64_t slots, uint32_t batch_size,
                                 const StreamKey& key) {
  std::vector<uint16_t> order = EarliestDeadlineFirst(shares, slots, Totals(shares, slots, key));
  ShuffleBatches(batch_size, key, &order);
  return order;
}

}  // namespace subset::sampling
