// BLOCKS: the samples of an epoch's blocks.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/blocks.h"
#include "sampling/columns.h"
#include "sampling/drawn_slots.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

struct Moment {
  uint64_t time;  // orders as the column's values do
  uint64_t tie;
  uint32_t slot;

  bool operator<(const Moment& other) const {
    if (time != other.time) return time < other.time;
    return tie != other.tie ? tie < other.tie : slot < other.slot;
  }
};

// Numbers of the same order, for signed integers and for floats that are not NaN.
uint64_t Ordered(int64_t value) {
  return static_cast<uint64_t>(value) ^ uint64_t { 1 } << 63;
}
uint64_t Ordered(double value) {
  const double positive_zero = value + 0.0;
  uint64_t bits;
  std::memcpy(&bits, &positive_zero, sizeof(bits));
  return bits >> 63 != 0 ? ~bits : bits | uint64_t{1} << 63;
}

// Slots by time, those without one left out. Samples of the same time are in an order of the seed,
// the same in every epoch.
std::vector<uint32_t> SlotsByTime(const PlanInput& input, const Population& population) {
  constexpr uint32_t kNotEligible = ~uint32_t{0};
  std::vector<uint32_t> slot_of(input.num_samples, kNotEligible);
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    slot_of[population.sample(slot)] = static_cast<uint32_t>(slot);
  }
  const PhiloxKey key = DeriveKey({input.key.seed, 0, 0}, Purpose::kBlockTies);
  std::vector<Moment> moments;
  moments.reserve(population.size());
  const ColumnView& column = input.columns.dataset.at(input.spec.draw.block_column);
  ForEachChunk(column, input.num_samples, [&](uint64_t first, const auto values) {
    for (size_t k = 0; k < values.size(); ++k) {
      const uint32_t slot = slot_of[first + k];
      if (slot == kNotEligible || std::isnan(static_cast<double>(values[k]))) continue;
      uint64_t time;
      if (column.integer()) {
        time = Ordered(static_cast<int64_t>(values[k]));
      } else {
        time = Ordered(static_cast<double>(values[k]));
      }
      moments.push_back({time, BlockLow(Philox(key, first + k)), slot});
    }
  });
  std::sort(moments.begin(), moments.end());
  std::vector<uint32_t> slots;
  slots.reserve(moments.size());
  for (const Moment& moment : moments) slots.push_back(moment.slot);
  return slots;
}

// The share of the target distribution that is expected at all.
double ReachedTarget(const PlanInput& input, const Population& population,
                     const std::vector<double>& expected) {
  const std::vector<double> inverse = InverseTargets(input, population);
  double reached = 0;
  for (size_t g = 0; g < inverse.size(); ++g) {
    const auto first = expected.begin() + population.first(g);
    const auto members =
        std::count_if(first, first + population.count(g), [](double mu) { return mu > 0; });
    reached += static_cast<double>(members) / inverse[g];
  }
  return reached;
}

}  // namespace

absl::StatusOr<DrawnSlots> DrawBlocks(const PlanInput& input, const Population& population) {
  const Draw& draw = input.spec.draw;
  const std::vector<uint32_t> by_time = SlotsByTime(input, population);
  const uint64_t n = by_time.size();
  if (n == 0) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat(
            "nothing to draw: no eligible sample has a number in \"", draw.block_column, "\"")),
        "NOTHING_TO_DRAW");
  }
  const uint64_t length = std::min(draw.block_length, n);
  const uint64_t count = CeilFraction(draw.fraction / static_cast<double>(length), n);
  DrawnSlots drawn;
  for (const TimeBlock& block :
       ChooseBlocks(draw, n, count, DeriveKey(input.key, Purpose::kBlocks))) {
    for (uint64_t k = 0; k < block.length; ++k) {
      drawn.slots.push_back(by_time[(block.start + k) % n]);
    }
  }
  const std::vector<double> expected = ExpectedInBlocks(draw, n, count);
  drawn.expected_by_slot.resize(population.size());
  for (uint64_t i = 0; i < n; ++i) drawn.expected_by_slot[by_time[i]] = expected[i];
  if (draw.blocks != Draw::BlockForm::kFixed) {
    drawn.probability_kind = ProbabilityKind::kExpectedCount;
  }
  // What lies in gaps, or has no time, is never drawn: the target is that of the others.
  drawn.mass = static_cast<double>(drawn.slots.size()) /
               ReachedTarget(input, population, drawn.expected_by_slot);
  return drawn;
}

}  // namespace subset::sampling
