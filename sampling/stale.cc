#include "sampling/stale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "sampling/ranks.h"

namespace subset::sampling {

StaleSlots::StaleSlots(SampleSet set, const Population& population) : members(std::move(set)) {
  offsets.push_back(0);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    for (uint64_t slot = first; slot < first + population.count(g); ++slot) {
      if (members.Contains(slot)) slots.push_back(static_cast<uint32_t>(slot));
    }
    offsets.push_back(slots.size());
  }
}

StaleSlots StalestSlots(const PlanInput& input, const Population& population) {
  const ScoreView steps = input.columns.score(StepColumn(input.spec.preference.score));
  const PhiloxKey ties = DeriveKey(input.key, Purpose::kStaleTies);
  SampleSet stale(population.size());
  std::vector<RankedSlot> ranked;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    const uint64_t n = population.count(g);
    ranked.clear();
    ranked.reserve(n);
    for (uint64_t slot = first; slot < first + n; ++slot) {
      const uint32_t sample = population.sample(slot);
      const double step = steps[sample];
      const double age = std::isnan(step) ? std::numeric_limits<double>::infinity() : -step;
      ranked.emplace_back(age, sample, static_cast<uint32_t>(slot), ties);
    }
    const uint64_t count =
        std::min(n, std::max<uint64_t>(1, FloorFraction(input.spec.guard.stale_fraction, n)));
    PartitionRanks(0, count, &ranked);
    for (uint64_t k = 0; k < count; ++k) stale.Insert(ranked[k].slot);
  }
  return StaleSlots(std::move(stale), population);
}

}  // namespace subset::sampling
