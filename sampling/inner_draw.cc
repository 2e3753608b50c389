#include "sampling/inner_draw.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/merge_parts.h"
#include "sampling/preference.h"
#include "sampling/stale.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {

InnerDraw InnerProbabilities(const PlanInput& input, const Population& population) {
  const Guard& guard = input.spec.guard;
  const double floor = guard.floor_by_target ? 0 : guard.uniform_floor;
  PreferenceValues preference = ValuesOf(input, population);
  InnerDraw inner;
  inner.probabilities = std::move(preference.values);
  inner.fell_back_to_uniform = preference.all_alike;
  const double preferred = 1 - floor - guard.refresh;
  std::vector<uint8_t> alike(population.num_strata());  // nothing is preferred
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const auto stratum =
        absl::MakeSpan(inner.probabilities).subspan(population.first(g), population.count(g));
    const double count = static_cast<double>(stratum.size());
    const double sum = SumOf(executor, stratum);
    alike[g] = sum == 0;
    ForEachPart(executor, stratum.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (double& a : stratum.subspan(first, last - first)) {
        a = preferred * (sum > 0 ? a / sum : 1 / count) + floor / count;
      }
    });
  });
  inner.fell_back_to_uniform |= std::find(alike.begin(), alike.end(), 1) != alike.end();
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
