// Bags of a bootstrap: which samples one holds, and how often. A bag is a function of the seed, its
// number and the population, whatever the epoch and the sampler's version; bags of different
// numbers are independent.

#ifndef SUBSET_SAMPLING_BAGS_H_
#define SUBSET_SAMPLING_BAGS_H_

#include <cstdint>
#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns how often the bag of input.spec.draw holds each slot of the population. With m_g =
// StratumTargets of draw.fraction N slots:
//   MULTINOMIAL  m_g draws with replacement in each stratum (m_g rounded by key)
//   POISSON      Poisson(m_g / n_g) times each, from Philox(key of the bag, index) alone
//   BAYESIAN     once each
// O(N + the size of the bag).
std::vector<uint32_t> BagCounts(const PlanInput& input, const Population& population);

// Returns the samples that the bag holds, or that it leaves out, ascending.
std::vector<uint32_t> InBag(const PlanInput& input, const Population& population);
std::vector<uint32_t> OutOfBag(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BAGS_H_
