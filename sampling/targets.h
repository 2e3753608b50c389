// What weights aim at: the target distribution r.

#ifndef SUBSET_SAMPLING_TARGETS_H_
#define SUBSET_SAMPLING_TARGETS_H_

#include <vector>

#include "sampling/population.h"
#include "sampling/spec.h"

namespace subset::sampling {

// Returns 1 / r_i of the members of each stratum: n for the natural target (and for none), C n_g
// for the balanced one, where g is of the C strata of proportion.column, whatever is nested in it.
std::vector<double> InverseTargets(const Weight& weight, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_TARGETS_H_
