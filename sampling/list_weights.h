// Probabilities and weights of the positions that a draw filled: the composition rule, applied, but
// for the mean over a batch (self_normalise.h).

#ifndef SUBSET_SAMPLING_LIST_WEIGHTS_H_
#define SUBSET_SAMPLING_LIST_WEIGHTS_H_

#include <vector>

#include "sampling/drawn_slots.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

struct ListWeights {
  std::vector<double> probabilities;  // mu, of each position, or one for all
  std::vector<float> weights;         // the same
  UnbiasedOver unbiased_over = UnbiasedOver::kNothing;
  double effective_sample_ratio = 1;  // (sum of mu)^2 / (n sum of mu^2)
};

// `drawn` is in the order of positions. O(population + positions).
ListWeights WeighSlots(const PlanInput& input, const Population& population,
                       const DrawnSlots& drawn);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LIST_WEIGHTS_H_
