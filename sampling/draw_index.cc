#include "sampling/draw_index.h"

#include <cmath>
#include <utility>
#include <vector>

#include "sampling/inner_draw.h"
#include "sampling/preference.h"
#include "sampling/preferred_scores.h"
#include "sampling/repeat_cap.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

// Leaves of `score(slot)`, which `scale` encodes.
template <typename ScoreOf>
void Fill(const Population& population, ScoreOf score, DrawIndex* result) {
  result->index =
      std::make_unique<StratumIndex>(population, [&](uint64_t first, absl::Span<Leaf> out) {
        for (size_t k = 0; k < out.size(); ++k) {
          bool clamped = false;
          out[k] = result->scale->Encode(score(first + k), &clamped);
          result->clamped += clamped;
        }
      });
}

void FillFromScores(const PlanInput& input, const Population& population, DrawIndex* result) {
  const Preference& preference = input.spec.preference;
  const PreferredScores scores(input, population);
  if (population.size() == population.num_samples && preference.irreducible.empty()) {
    result->scale = LeafScale::Fit(input.columns.score(preference.score), population.num_samples,
                                   preference.alpha, input.spec.guard, &result->any_positive);
  } else {
    const auto for_each = [&](auto f) {
      for (uint64_t slot = 0; slot < population.size(); ++slot) {
        const double score = scores[population.sample(slot)];
        if (!std::isnan(score)) f(score);
      }
    };
    result->scale = LeafScale::Fit(for_each, population.size(), preference.alpha, input.spec.guard,
                                   &result->any_positive);
  }
  Fill(
      population, [&](uint64_t slot) { return scores[population.sample(slot)]; }, result);
}

void FillFromValues(const std::vector<double>& values, const Population& population,
                    DrawIndex* result) {
  const auto for_each = [&](auto f) {
    for (const double value : values) f(value);
  };
  bool any_positive;
  result->scale = LeafScale::Fit(for_each, values.size(), 1, Guard{}, &any_positive);
  Fill(
      population, [&](uint64_t slot) { return values[slot]; }, result);
}

// q_i by slot: shares, preference and guards, capped.
InnerDraw CappedDraw(PlanInput input, const Population& population, const Shares& shares) {
  Guard& guard = input.spec.guard;
  const double positions =
      static_cast<double>(FloorFraction(input.spec.draw.fraction, population.size()));
  const double cap = guard.max_repeats / positions;
  const double by_target = guard.floor_by_target ? guard.uniform_floor : 0;
  // With floor_by_target the strata share out only what the floor leaves.
  guard.refresh = by_target < 1 ? guard.refresh / (1 - by_target) : 0;
  InnerDraw draw = InnerProbabilities(input, population);
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const double share = population.num_strata() == 1 ? 1 : shares.share(g);
    const uint64_t end = population.first(g) + population.count(g);
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      double& q = draw.probabilities[slot];
      q = (1 - by_target) * share * q + by_target / inverse_targets[g];
    }
  }
  CapRepeats(cap, absl::MakeSpan(draw.probabilities));
  return draw;
}

// Whether leaves are powers of reported scores, on one scale.
bool FromScores(const SamplerSpec& spec) {
  return spec.preference.kind == Preference::Kind::kScorePower && spec.preference.column.empty() &&
         spec.guard.max_repeats == 0;
}

}  // namespace

bool HasIndex(const SamplerSpec& spec) {
  return spec.preference.kind != Preference::Kind::kUniform || spec.guard.max_repeats > 0;
}

double LeafExponent(const SamplerSpec& spec) {
  return FromScores(spec) ? spec.preference.alpha : 1;
}

DrawIndex BuildDrawIndex(const PlanInput& input, const Population& population,
                         const Shares& shares) {
  DrawIndex result;
  if (!HasIndex(input.spec)) return result;
  if (input.spec.guard.max_repeats > 0) {
    const InnerDraw draw = CappedDraw(input, population, shares);
    result.any_positive = !draw.fell_back_to_uniform;
    FillFromValues(draw.probabilities, population, &result);
    return result;
  }
  if (FromScores(input.spec)) {
    FillFromScores(input, population, &result);
    return result;
  }
  PreferenceValues preferred = ValuesOf(input, population);
  result.any_positive = !preferred.all_alike;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const auto values =
        absl::MakeSpan(preferred.values).subspan(population.first(g), population.count(g));
    double sum = 0;
    for (const double value : values) sum += value;
    const double scale = sum > 0 ? static_cast<double>(values.size()) / sum : 0;
    for (double& value : values) value *= scale;
  }
  FillFromValues(preferred.values, population, &result);
  return result;
}

}  // namespace subset::sampling
