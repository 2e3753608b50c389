// Irreducible losses: what a model trained on holdout data loses on a sample, which learning it
// cannot win back (RHO-LOSS).

#ifndef SUBSET_SAMPLING_IRREDUCIBLE_H_
#define SUBSET_SAMPLING_IRREDUCIBLE_H_

#include <vector>

#include "sampling/huge_array.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns what spec.preference.irreducible subtracts from the score of each slot of the population;
// empty where it names no column. A missing loss subtracts 0 (USE_SCORE) or the mean of those of
// its stratum (STRATUM_MEAN; where the stratum has none, 0). O(N), in parts by input.executor.
HugeArray<float> IrreducibleLosses(const PlanInput& input, const Population& population);

// The same by sample of the dataset; 0 for those that are not in the population.
std::vector<float> IrreducibleBySample(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_IRREDUCIBLE_H_
