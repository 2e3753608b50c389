#include "sampling/cells.h"

#include <algorithm>

#include "sampling/proportion.h"
#include "sampling/pruning.h"
#include "sampling/quota_order.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

// Splits the members by `set` and calls f(g, append) for each stratum, or once for the whole
// population, where append(contained) appends a cell of those members that are, or are not, in the
// set, each with one slot; or returns nullptr where there are none.
template <typename F>
void ForEachStratum(const PlanInput& input, const Population& population, bool by_stratum,
                    const SampleSet& set, CellLayout* layout, F f) {
  layout->strata = population.strata;
  layout->split.emplace(population, set, input.executor);
  const size_t strata = by_stratum ? population.num_strata() : 1;
  for (size_t g = 0; g < strata; ++g) {
    const uint64_t first = population.first(g);
    const uint64_t end = by_stratum ? first + population.count(g) : population.size();
    f(g, [&](bool contained) -> Cell* {
      Cell cell;
      cell.first = layout->split->NumberFrom(first, contained);
      cell.count = layout->split->NumberFrom(end, contained) - cell.first;
      if (cell.count == 0) return nullptr;
      cell.slots = cell.count;
      cell.expected_slots = static_cast<double>(cell.count);
      cell.contained = contained;
      layout->cells.push_back(cell);
      return &layout->cells.back();
    });
  }
}

// One cell of members 0 .. count - 1.
CellLayout AlikeCell(uint64_t count, uint64_t slots) {
  Cell cell;
  cell.count = count;
  cell.slots = slots;
  cell.expected_slots = static_cast<double>(slots);
  cell.inverse_target = static_cast<double>(count);
  CellLayout layout;
  layout.cells.push_back(cell);
  layout.mass = static_cast<double>(slots);
  return layout;
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

void CellLayout::FindSamples(absl::Span<uint32_t> numbers) const {
  if (split) split->Find(numbers);
  if (strata == nullptr) return;
  const uint32_t* const members = strata->members.data();
  constexpr size_t kGroup = 256;  // cache misses that overlap
  for (; !numbers.empty(); numbers.remove_prefix(std::min(kGroup, numbers.size()))) {
    const auto group = numbers.subspan(0, kGroup);
    for (const uint32_t number : group) __builtin_prefetch(members + number);
    for (uint32_t& number : group) number = members[number];
  }
}

SampleSet CellLayout::SplitSet(uint64_t num_samples) const {
  SampleSet set(num_samples);
  if (strata == nullptr) {
    std::copy_n(split->words().begin(), set.words().size(), set.words().begin());
    return set;
  }
  for (uint64_t slot = 0; slot < strata->members.size(); ++slot) {
    const uint64_t sample = strata->members[slot];
    const uint64_t contained = split->words()[slot / 64] >> (slot % 64) & 1;
    set.words()[sample / 64] |= contained << (sample % 64);
  }
  return set;
}

CellLayout UniformCells(const Population& population, uint64_t slots) {
  CellLayout layout = AlikeCell(population.size(), slots);
  if (population.size() < population.num_samples) layout.strata = population.strata;
  return layout;
}

CellLayout MemberCells(const PlanInput& input, const SampleSet& members, uint64_t slots) {
  Population all;
  all.num_samples = input.num_samples;
  SplitSlots split(all, members, input.executor);
  CellLayout layout = AlikeCell(split.NumberFrom(all.num_samples, true), slots);
  layout.split = std::move(split);
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
                   if (cell == nullptr) {
                     if (!shared) return;
                     cell = append(false);
                     layout.fell_back_to_uniform = true;
                   }
                   cell->inverse_target = inverse_targets[g];
                 });

  if (shared) {
    uint64_t slots = 0;
    for (const Cell& cell : layout.cells) slots += cell.contained ? cell.count : 0;
    ShareOut(input, population, slots, &layout);
  }
  layout.mass = static_cast<double>(TotalSlots(layout));

  uint64_t members = 0;
  double reached = 0;  // r(S)
  for (const Cell& cell : layout.cells) {
    members += cell.count;
    reached += static_cast<double>(cell.count) / cell.inverse_target;
  }
  for (Cell& cell : layout.cells) {
    cell.inverse_target = by_stratum ? cell.inverse_target * reached : static_cast<double>(members);
  }
  return layout;
}

}  // namespace subset::sampling
