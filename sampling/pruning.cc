#include "sampling/pruning.h"

#include <algorithm>
#include <cmath>

#include "sampling/exact_mean.h"

namespace subset::sampling {
namespace {

// Inserts what is below the mean among slots first .. first + count - 1.
void InsertBelowMean(const PreferredScores& scores, const Population& population, uint64_t first,
                     uint64_t count, SampleSet* low) {
  ExactMean mean;
  for (uint64_t slot = first; slot < first + count; ++slot) {
    const auto score = static_cast<float>(scores[population.sample(slot)]);
    if (!std::isnan(score)) mean.Add(score);
  }
  if (mean.count() == 0) return;
  const float threshold = mean.LeastNotBelow();
  for (uint64_t slot = first; slot < first + count; ++slot) {
    const uint32_t i = population.sample(slot);
    if (static_cast<float>(scores[i]) < threshold) low->Insert(i);  // false for NaN
  }
}

}  // namespace

bool Prunes(const Preference& preference, uint64_t epoch) {
  return epoch < FloorFraction(preference.delta, preference.total_epochs);
}

SampleSet BelowMean(const PreferredScores& scores, const Population& population, bool per_stratum) {
  SampleSet low(population.num_samples);
  if (!per_stratum) {
    InsertBelowMean(scores, population, 0, population.size(), &low);
    return low;
  }
  for (size_t g = 0; g < population.num_strata(); ++g) {
    InsertBelowMean(scores, population, population.first(g), population.count(g), &low);
  }
  return low;
}

uint64_t KeptCount(const Preference& preference, uint64_t low) {
  return std::max<uint64_t>(1, FloorFraction(1 - preference.ratio, low));
}

}  // namespace subset::sampling
