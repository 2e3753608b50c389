#include "sampling/cells.h"

#include <algorithm>

#include "sampling/shares.h"

namespace subset::sampling {
namespace {

// 1 / r_i in stratum g: N for the natural target, C * n_g for the balanced one.
double InverseTarget(const PlanInput& input, size_t g) {
  if (input.spec.weight.target != Weight::Target::kBalanced) {
    return static_cast<double>(input.num_samples);
  }
  return static_cast<double>(input.strata->values.size()) *
         static_cast<double>(input.strata->count(g));
}

// Appends the members sample(0), ..., sample(count - 1): first those that stay, then those of
// `low`.
template <typename SampleAt>
void AppendSplit(const PlanInput& input, const SampleSet& low, uint64_t count, size_t g,
                 SampleAt sample, CellLayout* layout) {
  std::vector<uint32_t>& members = layout->own_members;
  for (const bool is_low : {false, true}) {
    Cell cell;
    cell.first = members.size();
    for (uint64_t k = 0; k < count; ++k) {
      if (low.Contains(sample(k)) == is_low) members.push_back(static_cast<uint32_t>(sample(k)));
    }
    cell.count = members.size() - cell.first;
    if (cell.count == 0) continue;
    cell.slots = is_low ? KeptCount(input.spec.preference, cell.count) : cell.count;
    cell.expected_slots = static_cast<double>(cell.slots);
    cell.inverse_target = InverseTarget(input, g);
    cell.low = is_low;
    layout->cells.push_back(cell);
  }
}

}  // namespace

CellLayout UniformCells(const PlanInput& input, uint64_t slots) {
  Cell cell;
  cell.count = input.num_samples;
  cell.slots = slots;
  cell.expected_slots = static_cast<double>(slots);
  cell.inverse_target = static_cast<double>(input.num_samples);
  CellLayout layout;
  layout.cells.push_back(cell);
  layout.mass = static_cast<double>(slots);
  return layout;
}

CellLayout StratumCells(const PlanInput& input, uint64_t slots) {
  const Strata& strata = *input.strata;
  const Shares shares = SharesOf(input.spec.proportion, strata);
  const std::vector<uint64_t> counts = RoundShares(shares, slots, input.key);
  const bool all_reached = std::find(counts.begin(), counts.end(), 0) == counts.end();
  CellLayout layout;
  layout.strata = input.strata;
  layout.mass = static_cast<double>(slots);
  for (size_t g = 0; g < counts.size(); ++g) {
    Cell cell;
    cell.first = strata.offsets[g];
    cell.count = strata.count(g);
    cell.slots = counts[g];
    cell.expected_slots =
        all_reached ? static_cast<double>(counts[g]) : static_cast<double>(slots) * shares.share(g);
    cell.inverse_target = InverseTarget(input, g);
    layout.cells.push_back(cell);
  }
  return layout;
}

CellLayout PrunedCells(const PlanInput& input, const SampleSet& low) {
  CellLayout layout;
  layout.own_members.reserve(input.num_samples);
  if (input.spec.preference.per_stratum) {
    const Strata& strata = *input.strata;
    for (size_t g = 0; g < strata.values.size(); ++g) {
      const uint32_t* members = strata.members.data() + strata.offsets[g];
      AppendSplit(
          input, low, strata.count(g), g, [&](uint64_t k) { return members[k]; }, &layout);
    }
  } else {
    AppendSplit(
        input, low, input.num_samples, 0, [](uint64_t k) { return k; }, &layout);
  }
  uint64_t slots = 0;
  for (const Cell& cell : layout.cells) slots += cell.slots;
  const bool epoch_sum = input.spec.preference.scale == Preference::Scale::kEpochSum;
  layout.mass = static_cast<double>(epoch_sum ? input.num_samples : slots);
  return layout;
}

}  // namespace subset::sampling
