#include "sampling/cells.h"

#include <algorithm>

#include "sampling/proportion.h"
#include "sampling/pruning.h"
#include "sampling/quota_order.h"
#include "sampling/set_members.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

// Appends a cell of `count` own members, each with one slot. Returns nullptr where there are none.
Cell* AppendCell(uint64_t count, CellLayout* layout) {
  if (count == 0) return nullptr;
  Cell cell;
  cell.first = layout->num_own;
  cell.count = count;
  cell.slots = count;
  cell.expected_slots = static_cast<double>(count);
  layout->num_own += count;
  layout->cells.push_back(cell);
  return &layout->cells.back();
}

// Calls f(g, append) for each stratum, or once for the whole population, where append(contained)
// appends a cell of those members that are, or are not, in `set`.
template <typename F>
void ForEachStratum(const PlanInput& input, const Population& population, bool by_stratum,
                    const SampleSet& set, CellLayout* layout, F f) {
  // Each sample is in one cell at most; and the last one is written without asking.
  layout->own_members = HugeArray<uint32_t>(population.size() + 1);
  if (!by_stratum) {
    return f(0, [&](bool contained) {
      SampleSet kept = population.eligible != nullptr ? *population.eligible
                                                      : SampleSet::All(population.num_samples);
      kept.Keep(set, contained);
      const SetMembers members(kept, input.executor);
      members.Write(layout->own_members.data() + layout->num_own);
      return AppendCell(members.size(), layout);
    });
  }
  for (size_t g = 0; g < population.num_strata(); ++g) {
    f(g, [&](bool contained) {
      uint32_t* const begin = layout->own_members.data() + layout->num_own;
      uint32_t* to = begin;
      const uint64_t end = population.first(g) + population.count(g);
      for (uint64_t slot = population.first(g); slot < end; ++slot) {
        *to = population.sample(slot);  // no branch: it is not predictable
        to += set.Contains(*to) == contained;
      }
      return AppendCell(static_cast<uint64_t>(to - begin), layout);
    });
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
  ForEachStratum(input, population, preference.per_stratum, low, &layout,
                 [&](size_t g, auto append) {
                   for (const bool is_low : {false, true}) {
                     Cell* cell = append(is_low);
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
  ForEachStratum(input, population, shared || by_stratum, chosen, &layout,
                 [&](size_t g, auto append) {
                   Cell* cell = append(true);
                   if (cell != nullptr) {
                     cell->stored = true;
                   } else if (shared) {
                     cell = append(false);
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
        by_stratum ? cell.inverse_target * reached : static_cast<double>(layout.num_own);
  }
  return layout;
}

}  // namespace subset::sampling
