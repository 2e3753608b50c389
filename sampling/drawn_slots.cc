#include "sampling/drawn_slots.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/inclusion.h"
#include "sampling/proportion.h"
#include "sampling/shares.h"

namespace subset::sampling {

absl::StatusOr<uint64_t> EpochSlots(const PlanInput& input, const Population& population) {
  const uint64_t slots = FloorFraction(input.spec.draw.fraction, population.size());
  if (slots > 0) return slots;
  return WithReason(absl::FailedPreconditionError(absl::StrCat("nothing to draw: draw.fraction ",
                                                               input.spec.draw.fraction, " of ",
                                                               population.size(), " samples is 0")),
                    "NOTHING_TO_DRAW");
}

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
  std::vector<double> counts;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const auto stratum = values.subspan(population.first(g), population.count(g));
    counts.push_back(static_cast<double>(
        std::count_if(stratum.begin(), stratum.end(), [](double v) { return v > 0; })));
  }
  return StratumTargets(input, population, counts, slots);
}

}  // namespace subset::sampling
