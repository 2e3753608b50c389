// Draws without replacement by preference: SYSTEMATIC and INDEPENDENT.

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/error.h"
#include "sampling/drawn_slots.h"
#include "sampling/huge_array.h"
#include "sampling/inclusion.h"
#include "sampling/inner_draw.h"
#include "sampling/parts.h"
#include "sampling/preference.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kQuotaStream = ~uint64_t{0};  // sub-streams: two of each stratum, and this one

// How many of each stratum can be drawn at all.
std::vector<double> PositiveCounts(const Population& population, const std::vector<double>& a) {
  std::vector<double> counts;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const auto first = a.begin() + population.first(g);
    counts.push_back(static_cast<double>(
        std::count_if(first, first + population.count(g), [](double v) { return v > 0; })));
  }
  return counts;
}

absl::Span<double> StratumOf(const Population& population, size_t g, std::vector<double>* values) {
  return absl::MakeSpan(*values).subspan(population.first(g), population.count(g));
}

}  // namespace

absl::StatusOr<DrawnSlots> DrawSystematic(const PlanInput& input, const Population& population) {
  const auto slots = EpochSlots(input, population);
  if (!slots.ok()) return slots.status();
  InnerDraw inner = InnerProbabilities(input, population);
  const std::vector<double> targets =
      StratumTargets(input, population, PositiveCounts(population, inner.probabilities),
                     static_cast<double>(*slots));
  const std::vector<uint64_t> counts =
      RoundTargets(targets, DeriveKey(input.key, Purpose::kSystematic, kQuotaStream));
  DrawnSlots drawn;
  ReserveHuge(*slots + 1, &drawn.slots);
  for (size_t g = 0; g < counts.size(); ++g) {
    const absl::Span<double> values = StratumOf(population, g, &inner.probabilities);
    // The target is rounded down or up; mu is the mean over that.
    const auto least = static_cast<uint64_t>(Snapped(targets[g]));
    const double up = Snapped(targets[g]) - static_cast<double>(least);
    const SystematicLaw low(values, least, input.executor);
    const SystematicLaw high = up > 0 ? SystematicLaw(values, least + 1, input.executor) : low;
    (counts[g] == least ? low : high)
        .Draw(values, DeriveKey(input.key, Purpose::kSystematic, 2 * g),
              DeriveKey(input.key, Purpose::kSystematic, 2 * g + 1),
              static_cast<uint32_t>(population.first(g)), &drawn.slots);
    ForEachPart(input.executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (double& v : values.subspan(first, last - first)) {
        const double p = low.Probability(v);
        v = up > 0 ? (1 - up) * p + up * high.Probability(v) : p;
      }
    });
  }
  drawn.mass = static_cast<double>(drawn.slots.size());
  drawn.expected_by_slot = std::move(inner.probabilities);
  drawn.fell_back_to_uniform = inner.fell_back_to_uniform;
  return drawn;
}

absl::StatusOr<DrawnSlots> DrawIndependent(const PlanInput& input, const Population& population) {
  DrawnSlots drawn;
  std::vector<double>& pi = drawn.expected_by_slot;
  if (input.spec.preference.kind == Preference::Kind::kKeepProbability) {
    pi = KeepProbabilities(input, population);
  } else {
    InnerDraw inner = InnerProbabilities(input, population);
    drawn.fell_back_to_uniform = inner.fell_back_to_uniform;
    pi = std::move(inner.probabilities);
    const std::vector<double> targets =
        StratumTargets(input, population, PositiveCounts(population, pi),
                       input.spec.draw.fraction * static_cast<double>(population.size()));
    for (size_t g = 0; g < targets.size(); ++g) {
      const absl::Span<double> values = StratumOf(population, g, &pi);
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
