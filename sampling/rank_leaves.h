// The weight index of a preference by rank.

#ifndef SUBSET_SAMPLING_RANK_LEAVES_H_
#define SUBSET_SAMPLING_RANK_LEAVES_H_

#include "sampling/draw_index.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Makes the index of a draw whose preference is by rank, all of `index`; returns false, and changes
// nothing, where nothing is scored. Values are known by rank, so that they are encoded in its order
// and only leaves go to where their slots are. Cost: that of Ranks and a few passes over the
// leaves.
bool FillFromRanks(const PlanInput& input, const Population& population, DrawIndex* index);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANK_LEAVES_H_
