#include "sampling/preferred_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subset::sampling {

std::vector<float> IrreducibleLosses(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  if (preference.irreducible.empty()) return {};
  const ColumnView column = input.columns.dataset.at(preference.irreducible);
  std::vector<float> losses(population.num_samples);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t end = population.first(g) + population.count(g);
    double sum = 0;
    uint64_t known = 0;
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      const uint32_t sample = population.sample(slot);
      const double loss = column.At(sample);
      losses[sample] = static_cast<float>(loss);
      if (std::isnan(loss)) continue;
      sum += loss;
      ++known;
    }
    const bool by_mean =
        preference.missing_irreducible == Preference::MissingIrreducible::kStratumMean && known > 0;
    const float missing = by_mean ? static_cast<float>(sum / static_cast<double>(known)) : 0;
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      float& loss = losses[population.sample(slot)];
      if (std::isnan(loss)) loss = missing;
    }
  }
  return losses;
}

PreferredScores::PreferredScores(const PlanInput& input, const Population& population)
    : irreducible_(IrreducibleLosses(input, population)) {
  const Preference& preference = input.spec.preference;
  if (preference.column.empty()) {
    reported_ = input.columns.score(preference.score);
  } else {
    column_ = input.columns.dataset.at(preference.column);
  }
}

double UnscoredScore(const Guard& guard, const PreferredScores& scores,
                     const Population& population) {
  if (guard.unscored == Guard::Unscored::kPrior) return guard.unscored_prior;
  double sum = 0;
  double maximum = -std::numeric_limits<double>::infinity();
  uint64_t scored = 0;
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    const double score = scores[population.sample(slot)];
    if (std::isnan(score)) continue;
    sum += score;
    maximum = std::max(maximum, score);
    ++scored;
  }
  if (scored == 0) return std::numeric_limits<double>::quiet_NaN();
  return guard.unscored == Guard::Unscored::kMaximum ? maximum : sum / static_cast<double>(scored);
}

}  // namespace subset::sampling
