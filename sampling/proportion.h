// What share each stratum gets: the second of the six choices.

#ifndef SUBSET_SAMPLING_PROPORTION_H_
#define SUBSET_SAMPLING_PROPORTION_H_

#include "sampling/plan.h"
#include "sampling/shares.h"

namespace subset::sampling {

// Returns the shares of the population's strata by spec.proportion. Where strata nest, a share is
// that of the outer value times that of the inner value inside it.
//
//  - Sizes n_g are those of the population: its samples are counted, or their values of size_column
//    summed (negative and missing ones as 0). Where all sizes are 0, samples are counted; where
//    those inside one outer value are, they are alike.
//  - EXPLICIT shares are divided by the sum of those whose stratum has samples. A value that is not
//    named has none.
//  - UNIMAX shares out as many samples (or as much size) as the epoch is long.
//  - Adaptive kinds take input.learned_shares; a share of 0 becomes the least possible one, so that
//    no group is lost for good.
//
// Natural shares of counts and equal ones are exact; others are within 1e-9, with the same bits on
// every machine. O(strata log strata), and a pass over a size column. REQUIRES: BuildPopulation
// made the population for this input.
Shares SharesOf(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PROPORTION_H_
