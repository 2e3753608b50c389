#include "sampling/cells.h"

#include <algorithm>

#include "sampling/proportion.h"
#include "sampling/pruning.h"
#include "sampling/quota_order.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

// Appends those of the samples sample(0), ..., sample(count - 1) that are (or are not) of `set` as
// a cell in which each has one slot. Returns nullptr where there are none.
template <typename SampleAt>
Cell* AppendMembers(const SampleSet& set, bool contained, uint64_t count, SampleAt sample,
                    CellLayout* layout) {
  std::vector<uint32_t>& members = layout->own_members;
  Cell cell;
  cell.first = members.size();
  for (uint64_t k = 0; k < count; ++k) {
    const auto i = static_cast<uint32_t>(sample(k));
    if (set.Contains(i) == contained) members.push_back(i);
  }
  cell.count = members.size() - cell.first;
  if (cell.count == 0) return nullptr;
  cell.slots = cell.count;
  cell.expected_slots = static_cast<double>(cell.slots);
  layout->cells.push_back(cell);
  return &layout->cells.back();
}

// Calls f(g, first, count, sample) for each stratum; once, with the samples of the whole dataset in
// order, where strata play no part.
template <typename F>
void ForEachStratum(const Population& population, bool by_stratum, F f) {
  if (!by_stratum && population.size() == population.num_samples) {
    f(0, population.num_samples, [](uint64_t k) { return k; });
    return;
  }
  const size_t strata = by_stratum ? population.num_strata() : 1;
  for (size_t g = 0; g < strata; ++g) {
    const uint64_t first = population.first(g);
    f(g, by_stratum ? population.count(g) : population.size(),
      [&](uint64_t k) { return population.sample(first + k); });
  }
}

uint64_t TotalSlots(const CellLayout& layout) {
  uint64_t slots = 0;
  for (const Cell& cell : layout.cells) slots += cell.slots;
  return slots;
}

// Gives the cells, one for each stratum, their parts of `slots`.
void ShareOut(const PlanInput& input, const Population& population, uint64_t slots,
              CellLayout* layout) {
  const Shares shares = SharesOf(input, population);
  std::vector<uint64_t> counts;
  if (input.spec.proportion.exact_quotas) {
    layout->order = QuotaOrder(shares, slots, input.batch_size, input.key);
    counts.resize(layout->cells.size());
    for (const uint16_t g : layout->order) ++counts[g];
  } else {
    counts = RoundShares(shares, slots, input.key);
  }
  const bool all_reached = std::find(counts.begin(), counts.end(), 0) == counts.end();
  for (size_t g = 0; g < counts.size(); ++g) {
    Cell& cell = layout->cells[g];
    cell.slots = counts[g];
    cell.expected_slots =
        all_reached ? static_cast<double>(counts[g]) : static_cast<double>(slots) * shares.share(g);
  }
}

}  // namespace

CellLayout UniformCells(const Population& population, uint64_t slots) {
  Cell cell;
  cell.count = population.size();
  cell.slots = slots;
  cell.expected_slots = static_cast<double>(slots);
  cell.inverse_target = static_cast<double>(population.size());
  CellLayout layout;
  layout.cells.push_back(cell);
  layout.mass = static_cast<double>(slots);
  if (population.size() < population.num_samples) layout.strata = population.strata;
  return layout;
}

CellLayout StratumCells(const PlanInput& input, const Population& population, uint64_t slots) {
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  CellLayout layout;
  layout.strata = population.strata;
  layout.mass = static_cast<double>(slots);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    Cell cell;
    cell.first = population.first(g);
    cell.count = population.count(g);
    cell.inverse_target = inverse_targets[g];
    layout.cells.push_back(cell);
  }
  ShareOut(input, population, slots, &layout);
  return layout;
}

CellLayout PrunedCells(const PlanInput& input, const Population& population, const SampleSet& low) {
  const Preference& preference = input.spec.preference;
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  CellLayout layout;
  layout.own_members.reserve(population.size());
  ForEachStratum(population, preference.per_stratum, [&](size_t g, uint64_t count, auto sample) {
    for (const bool is_low : {false, true}) {
      Cell* cell = AppendMembers(low, is_low, count, sample, &layout);
      if (cell == nullptr) continue;
      if (is_low) cell->slots = KeptCount(preference, cell->count);
      cell->expected_slots = static_cast<double>(cell->slots);
      cell->inverse_target = inverse_targets[g];
      cell->stored = is_low;
    }
  });
  const bool epoch_sum = preference.scale == Preference::Scale::kEpochSum;
  layout.mass = static_cast<double>(epoch_sum ? population.size() : TotalSlots(layout));
  return layout;
}

CellLayout ChosenCells(const PlanInput& input, const Population& population,
                       const SampleSet& chosen) {
  const SamplerSpec& spec = input.spec;
  const bool shared = !spec.proportion.as_in_the_data() || spec.proportion.exact_quotas;
  const Weight::Target target = spec.weight.target;
  const bool by_stratum = target == Weight::Target::kBalanced || target == Weight::Target::kShares;
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  CellLayout layout;
  ForEachStratum(population, shared || by_stratum, [&](size_t g, uint64_t count, auto sample) {
    Cell* cell = AppendMembers(chosen, true, count, sample, &layout);
    if (cell != nullptr) {
      cell->stored = true;
    } else if (shared) {
      cell = AppendMembers(chosen, false, count, sample, &layout);
      layout.fell_back_to_uniform = true;
    } else {
      return;
    }
    cell->inverse_target = inverse_targets[g];
  });

  if (shared) {
    uint64_t slots = 0;
    for (const Cell& cell : layout.cells) slots += cell.stored ? cell.count : 0;
    ShareOut(input, population, slots, &layout);
  }
  layout.mass = static_cast<double>(TotalSlots(layout));

  double reached = 0;  // r(S)
  for (const Cell& cell : layout.cells) {
    reached += static_cast<double>(cell.count) / cell.inverse_target;
  }
  for (Cell& cell : layout.cells) {
    cell.inverse_target =
        by_stratum ? cell.inverse_target * reached : static_cast<double>(layout.own_members.size());
  }
  return layout;
}

}  // namespace subset::sampling
