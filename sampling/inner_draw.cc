#include "sampling/inner_draw.h"

#include <utility>

#include "sampling/preference.h"
#include "sampling/stale.h"

namespace subset::sampling {

InnerDraw InnerProbabilities(const PlanInput& input, const Population& population) {
  const Guard& guard = input.spec.guard;
  const double floor = guard.floor_by_target ? 0 : guard.uniform_floor;
  PreferenceValues preference = ValuesOf(input, population);
  InnerDraw inner;
  inner.probabilities = std::move(preference.values);
  inner.fell_back_to_uniform = preference.all_alike;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    const uint64_t end = first + population.count(g);
    const double count = static_cast<double>(population.count(g));
    double sum = 0;
    for (uint64_t slot = first; slot < end; ++slot) sum += inner.probabilities[slot];
    inner.fell_back_to_uniform |= sum == 0;
    const double preferred = 1 - floor - guard.refresh;
    for (uint64_t slot = first; slot < end; ++slot) {
      double& a = inner.probabilities[slot];
      a = preferred * (sum > 0 ? a / sum : 1 / count) + floor / count;
    }
  }
  if (guard.refresh > 0) {
    const StaleSlots stale = StalestSlots(input, population);
    for (size_t g = 0; g + 1 < stale.offsets.size(); ++g) {
      const double count = static_cast<double>(stale.count(g));
      for (uint64_t k = stale.offsets[g]; k < stale.offsets[g + 1]; ++k) {
        inner.probabilities[stale.slots[k]] += guard.refresh / count;
      }
    }
  }
  return inner;
}

}  // namespace subset::sampling
