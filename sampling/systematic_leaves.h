// The weights that systematic draws go by.

#ifndef SUBSET_SAMPLING_SYSTEMATIC_LEAVES_H_
#define SUBSET_SAMPLING_SYSTEMATIC_LEAVES_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/stratum_index.h"

namespace subset::sampling {

struct SystematicLeaves {
  std::unique_ptr<StratumIndex> index;  // in proportion to a_i (inner_draw.h) inside each stratum
  bool fell_back_to_uniform = false;    // a stratum had no preference
  uint64_t clamped = 0;                 // outside the range of leaves: positive, but below a half
};

// Leaves that take few passes: all alike where nothing is preferred; straight from scores, on one
// scale, where the preference is a power of them, without guards. None where it is another, or a
// stratum has no positive score. The scale goes by the mean of all: where few samples have nearly
// all of the weight, and are drawn for sure, little of the range of leaves is left to tell the
// others apart.
std::optional<SystematicLeaves> QuickLeaves(const PlanInput& input, const Population& population);

// Leaves of any preference and guards, on a scale of each stratum's own that goes by the mean of
// those that are not certain to be among `slots`. A few passes over 8 bytes a sample.
SystematicLeaves LeavesOfValues(const PlanInput& input, const Population& population,
                                uint64_t slots);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SYSTEMATIC_LEAVES_H_
