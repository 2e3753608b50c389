// How many are drawn of each stratum in a systematic draw, and by which law.

#ifndef SUBSET_SAMPLING_SYSTEMATIC_STRATA_H_
#define SUBSET_SAMPLING_SYSTEMATIC_STRATA_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "sampling/permutation.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/stratum_index.h"
#include "sampling/systematic_law.h"

namespace subset::sampling {

// Places are the slots of a stratum in a keyed order; those of the population are the places of its
// strata, one after the other, so that a stratum has the same first place as slot.
struct SystematicStratum {
  std::optional<Permutation> order;  // of each place its slot, both from the stratum's first on
  RoundedLaw law;
  RoundedLaw::Expectation expected;

  SystematicLaw drawn;  // the law for the count of this epoch
  SystematicPoints points;
  uint64_t first_certain = 0;  // among what is certain in the population
  uint64_t base = 0;           // of the weights of the others, in those of the population

  uint64_t count() const { return drawn.certain() + drawn.count(); }
};

// Shares out `slots`: StratumTargets (drawn_slots.h) by how many leaves are positive, rounded by
// key. The leaves of a stratum may be in any order. O(N), by input.executor.
std::vector<SystematicStratum> SystematicStrata(const PlanInput& input,
                                                const Population& population, uint64_t slots,
                                                const StratumIndex& leaves);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SYSTEMATIC_STRATA_H_
