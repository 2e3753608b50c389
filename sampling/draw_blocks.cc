// BLOCKS: the samples of an epoch's blocks.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sampling/blocks.h"
#include "sampling/drawn_slots.h"
#include "sampling/epoch_slots.h"
#include "sampling/targets.h"
#include "sampling/time_order.h"

namespace subset::sampling {
namespace {

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
  // Samples of the same time are in an order of the seed, the same in every epoch.
  const std::vector<uint32_t> by_time =
      SlotsByTime(input.columns.dataset.at(draw.block_column), population,
                  DeriveKey({input.key.seed, 0, 0}, Purpose::kBlockTies), input.executor);
  const uint64_t n = by_time.size();
  if (n == 0) {
    return NothingToDraw(
        absl::StrCat("no eligible sample has a number in \"", draw.block_column, "\""));
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
