#include "sampling/drawn_slots.h"

#include <algorithm>
#include <cstddef>

#include "sampling/inclusion.h"
#include "sampling/merge_parts.h"
#include "sampling/proportion.h"
#include "sampling/shares.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {

std::vector<double> StratumTargets(const PlanInput& input, const Population& population,
                                   const std::vector<double>& caps, double slots) {
  std::vector<double> targets = {1};
  if (population.num_strata() > 1) {
    const Shares shares = SharesOf(input, population);
    targets.resize(population.num_strata());
    for (size_t g = 0; g < targets.size(); ++g) targets[g] = shares.share(g);
  }
  const double level = WaterLevel(targets, caps, slots);
  for (size_t g = 0; g < targets.size(); ++g) {
    targets[g] = AtLevel(targets[g], caps[caps.size() == 1 ? 0 : g], level);
  }
  return targets;
}

std::vector<double> PreferredTargets(const PlanInput& input, const Population& population,
                                     absl::Span<const double> values, double slots) {
  std::vector<double> counts(population.num_strata());
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const auto stratum = values.subspan(population.first(g), population.count(g));
    counts[g] = MergeParts(
        executor, stratum.size(),
        [stratum](uint64_t first, uint64_t last) {
          const auto part = stratum.subspan(first, last - first);
          return static_cast<double>(
              std::count_if(part.begin(), part.end(), [](double v) { return v > 0; }));
        },
        [](double part, double* all) { *all += part; });
  });
  return StratumTargets(input, population, counts, slots);
}

}  // namespace subset::sampling
