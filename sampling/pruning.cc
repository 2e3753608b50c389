#include "sampling/pruning.h"

#include <algorithm>
#include <cmath>

#include "sampling/exact_mean.h"

namespace subset::sampling {
namespace {

// Inserts what is below the mean among samples sample(0), ..., sample(count - 1).
template <typename SampleAt>
void InsertBelowMean(const ScoreView& scores, uint64_t count, SampleAt sample, SampleSet* low) {
  ExactMean mean;
  for (uint64_t k = 0; k < count; ++k) {
    const float score = scores[sample(k)];
    if (!std::isnan(score)) mean.Add(score);
  }
  if (mean.count() == 0) return;
  const float threshold = mean.LeastNotBelow();
  for (uint64_t k = 0; k < count; ++k) {
    const uint64_t i = sample(k);
    if (scores[i] < threshold) low->Insert(i);  // false for NaN
  }
}

}  // namespace

bool Prunes(const Preference& preference, uint64_t epoch) {
  return epoch < FloorFraction(preference.delta, preference.total_epochs);
}

SampleSet BelowMean(const ScoreView& scores, uint64_t num_samples, const Strata* strata) {
  SampleSet low(num_samples);
  if (strata == nullptr) {
    InsertBelowMean(
        scores, num_samples, [](uint64_t k) { return k; }, &low);
    return low;
  }
  for (size_t g = 0; g < strata->values.size(); ++g) {
    const uint32_t* members = strata->members.data() + strata->offsets[g];
    InsertBelowMean(
        scores, strata->count(g), [&](uint64_t k) -> uint64_t { return members[k]; }, &low);
  }
  return low;
}

uint64_t KeptCount(const Preference& preference, uint64_t low) {
  return std::max<uint64_t>(1, FloorFraction(1 - preference.ratio, low));
}

}  // namespace subset::sampling
