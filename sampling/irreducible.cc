#include "sampling/irreducible.h"

#include <cmath>

#include "absl/types/span.h"
#include "sampling/by_slot.h"
#include "sampling/merge_parts.h"
#include "sampling/parts.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

// The mean of those that are not NaN; 0 of none.
float MeanOf(absl::Span<const float> losses, const Executor* executor) {
  struct Known {
    double sum = 0;
    uint64_t count = 0;
  };
  const Known known = MergeParts(
      executor, losses.size(),
      [losses](uint64_t first, uint64_t last) {
        Known part;
        for (const float loss : losses.subspan(first, last - first)) {
          if (std::isnan(loss)) continue;
          part.sum += loss;
          ++part.count;
        }
        return part;
      },
      [](const Known& part, Known* all) {
        all->sum += part.sum;
        all->count += part.count;
      });
  return known.count > 0 ? static_cast<float>(known.sum / static_cast<double>(known.count)) : 0;
}

}  // namespace

HugeArray<float> IrreducibleLosses(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  if (preference.irreducible.empty()) return {};
  HugeArray<float> losses(population.size());
  const ColumnView column = input.columns.dataset.at(preference.irreducible);
  GatherBySlot(
      population,
      [column](uint64_t first, absl::Span<float> out) { ReadValues(column, first, out); },
      input.executor, losses.data());
  const bool by_mean =
      preference.missing_irreducible == Preference::MissingIrreducible::kStratumMean;
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const auto stratum = absl::MakeSpan(losses.data() + population.first(g), population.count(g));
    const float missing = by_mean ? MeanOf(stratum, executor) : 0;
    ForEachPart(executor, stratum.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (float& loss : stratum.subspan(first, last - first)) {
        if (std::isnan(loss)) loss = missing;
      }
    });
  });
  return losses;
}

std::vector<float> IrreducibleBySample(const PlanInput& input, const Population& population) {
  const HugeArray<float> by_slot = IrreducibleLosses(input, population);
  if (by_slot.size() == 0) return {};
  std::vector<float> losses = HugeVector<float>(population.num_samples);
  ForEachPart(input.executor, by_slot.size(), [&](size_t, uint64_t first, uint64_t last) {
    for (uint64_t slot = first; slot < last; ++slot) {
      losses[population.sample(slot)] = by_slot[slot];
    }
  });
  return losses;
}

}  // namespace subset::sampling
