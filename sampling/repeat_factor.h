// How often each sample is repeated for the sake of its rarest label (Gupta et al., LVIS, 2019).

#ifndef SUBSET_SAMPLING_REPEAT_FACTOR_H_
#define SUBSET_SAMPLING_REPEAT_FACTOR_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns how many positions an epoch over n samples may have: 8 for each of them, and no more than
// 32 bits number.
constexpr uint64_t MostRepeated(uint64_t n) { return std::min<uint64_t>(8 * n, 0xffffffff); }

// Returns, by slot of the population, r_i = max(1, max over c in i of sqrt(t / f_c)): the sets are
// those of preference.column, t is preference.threshold, and f_c the share of the population's
// samples that have label c. 1 where a set is empty. Two passes over the labels, 8 bytes a sample.
std::vector<double> RepeatFactors(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_REPEAT_FACTOR_H_
