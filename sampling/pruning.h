// Below-mean pruning (InfoBatch: Qin et al., ICLR 2024): which samples it prunes from, and how many
// of them it keeps.

#ifndef SUBSET_SAMPLING_PRUNING_H_
#define SUBSET_SAMPLING_PRUNING_H_

#include <cstdint>

#include "base/executor.h"
#include "sampling/population.h"
#include "sampling/preferred_scores.h"
#include "sampling/sample_set.h"
#include "sampling/spec.h"

namespace subset::sampling {

// Whether `epoch` prunes: the first floor(delta * total_epochs) epochs do, the rest draw
// everything.
bool Prunes(const Preference& preference, uint64_t epoch);

// Returns the scored samples of the population whose score is strictly below the mean of the
// scored, or of the scored of their stratum. Unscored samples take no part. Exact: equal scores are
// never below their mean. O(N), two passes over the scores; an executor (null: the calling thread)
// does not change what this returns.
SampleSet BelowMean(const PreferredScores& scores, const Population& population, bool per_stratum,
                    const Executor* executor = nullptr);

// Returns how many of `low` > 0 samples stay: max(1, floor((1 - ratio) * low)).
uint64_t KeptCount(const Preference& preference, uint64_t low);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PRUNING_H_
