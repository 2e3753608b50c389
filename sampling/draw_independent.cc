// INDEPENDENT: a coin for each sample.

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "sampling/drawn_slots.h"
#include "sampling/inclusion.h"
#include "sampling/inner_draw.h"
#include "sampling/preference.h"

namespace subset::sampling {

absl::StatusOr<DrawnSlots> DrawIndependent(const PlanInput& input, const Population& population) {
  DrawnSlots drawn;
  std::vector<double>& pi = drawn.expected_by_slot;
  if (input.spec.preference.kind == Preference::Kind::kKeepProbability) {
    pi = KeepProbabilities(input, population);
  } else {
    InnerDraw inner = InnerProbabilities(input, population);
    drawn.fell_back_to_uniform = inner.fell_back_to_uniform;
    pi = std::move(inner.probabilities);
    const std::vector<double> targets = PreferredTargets(
        input, population, pi, input.spec.draw.fraction * static_cast<double>(population.size()));
    for (size_t g = 0; g < targets.size(); ++g) {
      const auto values = absl::MakeSpan(pi).subspan(population.first(g), population.count(g));
      const double level = WaterLevel(values, {1}, targets[g]);
      for (double& v : values) v = AtLevel(v, 1, level);
    }
  }
  const PhiloxKey key = DeriveKey(input.key, Purpose::kIndependent);
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    if (UniformDouble(key, population.sample(slot)) >= pi[slot]) continue;
    drawn.slots.push_back(static_cast<uint32_t>(slot));
  }
  drawn.mass = static_cast<double>(drawn.slots.size());
  return drawn;
}

}  // namespace subset::sampling
