#include "sampling/pruning.h"

#include <algorithm>
#include <cmath>

#include "sampling/exact_mean.h"

namespace subset::sampling {
namespace {

// Inserts what is below the mean among slots first .. last - 1.
void InsertBelowMean(const PreferredScores& scores, const Population& population, uint64_t first,
                     uint64_t last, SampleSet* low) {
  ExactMean mean;
  scores.ForEach(first, last, [&](uint64_t, double score) {
    if (!std::isnan(score)) mean.Add(static_cast<float>(score));
  });
  if (mean.count() == 0) return;
  const float threshold = mean.LeastNotBelow();
  scores.ForEach(first, last, [&](uint64_t slot, double score) {
    // False for NaN.
    if (static_cast<float>(score) < threshold) low->Insert(population.sample(slot));
  });
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
    const uint64_t first = population.first(g);
    InsertBelowMean(scores, population, first, first + population.count(g), &low);
  }
  return low;
}

uint64_t KeptCount(const Preference& preference, uint64_t low) {
  return std::max<uint64_t>(1, FloorFraction(1 - preference.ratio, low));
}

}  // namespace subset::sampling
