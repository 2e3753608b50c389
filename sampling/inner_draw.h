// Preference and guard inside strata: with what probability a draw from a stratum is which sample.

#ifndef SUBSET_SAMPLING_INNER_DRAW_H_
#define SUBSET_SAMPLING_INNER_DRAW_H_

#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// a_i = (1 - lambda - rho) h_i + lambda / n_g + rho o_i: h the preference, o uniform on the stalest
// of the stratum. guard.floor_by_target and guard.max_repeats reach across strata and take no part.
struct InnerDraw {
  std::vector<double> probabilities;  // a_i by slot of the population; sums to 1 over each stratum
  bool fell_back_to_uniform = false;  // a stratum had no preference, so h_i = 1 / n_g there
};

// A few passes over the columns involved; ranks are sorted. Not for below_mean_pruning.
InnerDraw InnerProbabilities(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_INNER_DRAW_H_
