// The cells of an epoch: groups of samples that are alike, each with a number of slots.

#ifndef SUBSET_SAMPLING_CELLS_H_
#define SUBSET_SAMPLING_CELLS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "sampling/columns.h"
#include "sampling/plan.h"
#include "sampling/pruning.h"

namespace subset::sampling {

struct Cell {
  uint64_t first = 0;  // members [first, first + count) of the layout
  uint64_t count = 0;  // > 0
  uint64_t slots = 0;
  double expected_slots = 0;  // what mu is: expected_slots / count
  double inverse_target = 0;  // 1 / r_i
  bool low = false;           // below the mean, so pruned from
};

struct CellLayout {
  std::vector<Cell> cells;
  // The members: own ones, or those of `strata`, or (neither) every sample in order.
  std::vector<uint32_t> own_members;
  std::shared_ptr<const Strata> strata;
  // w = mass * r_i / mu_i. The number of slots makes the mean over a batch unbiased, the number of
  // samples makes the weights of an epoch sum to it.
  double mass = 0;

  const uint32_t* members() const {
    if (strata != nullptr) return strata->members.data();
    return own_members.empty() ? nullptr : own_members.data();
  }
};

// Every sample alike: one cell.
CellLayout UniformCells(const PlanInput& input, uint64_t slots);

// One cell for each stratum, `slots` shared out by spec.proportion. Where there are too few slots
// for every stratum, mu is taken over the rounding too: weights are then unbiased over epochs only.
CellLayout StratumCells(const PlanInput& input, uint64_t slots);

// One cell of what is kept, one of what is pruned from; by stratum if the spec says so.
CellLayout PrunedCells(const PlanInput& input, const SampleSet& low);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_CELLS_H_
