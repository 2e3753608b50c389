// What weights aim at: the target distribution r.

#ifndef SUBSET_SAMPLING_TARGETS_H_
#define SUBSET_SAMPLING_TARGETS_H_

#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns 1 / r_i of the members of each stratum: n for the natural target (and for none), C n_g
// for the balanced one, where g is of the C strata of proportion.column, whatever is nested in it,
// n_g / p_g for that of the shares (infinite where p_g is 0).
std::vector<double> InverseTargets(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_TARGETS_H_
