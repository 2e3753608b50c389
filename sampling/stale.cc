#include "sampling/stale.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "sampling/ranks.h"

namespace subset::sampling {

StaleSlots StalestSlots(const PlanInput& input, const Population& population) {
  const ScoreView steps = input.columns.score(StepColumn(input.spec.preference.score));
  const PhiloxKey ties = DeriveKey(input.key, Purpose::kStaleTies);
  StaleSlots stale;
  stale.offsets.push_back(0);
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
    const size_t before = stale.slots.size();
    for (uint64_t k = 0; k < count; ++k) stale.slots.push_back(ranked[k].slot);
    std::sort(stale.slots.begin() + before, stale.slots.end());  // PartitionRanks leaves no order
    stale.offsets.push_back(stale.slots.size());
  }
  return stale;
}

}  // namespace subset::sampling
