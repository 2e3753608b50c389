// The cells of an epoch: groups of samples that are alike, each with a number of slots.

#ifndef SUBSET_SAMPLING_CELLS_H_
#define SUBSET_SAMPLING_CELLS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "sampling/columns.h"
#include "sampling/huge_array.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

struct Cell {
  uint64_t first = 0;  // members [first, first + count) of the layout
  uint64_t count = 0;  // > 0
  uint64_t slots = 0;
  double expected_slots = 0;  // what mu is: expected_slots / count
  double inverse_target = 0;  // 1 / r_i
  bool stored = false;        // its members are the set that a stored plan keeps
};

struct CellLayout {
  std::vector<Cell> cells;
  // The members: own ones, or those of `strata`, or (neither) every sample in order.
  HugeArray<uint32_t> own_members;  // num_own, and room
  uint64_t num_own = 0;
  std::shared_ptr<const Strata> strata;
  // w = mass * r_i / mu_i. The number of slots makes the mean over a batch unbiased, the number of
  // samples makes the weights of an epoch sum to it.
  double mass = 0;
  bool fell_back_to_uniform = false;  // a stratum had no chosen sample
  // The cell of each position, where exact quotas say so; else positions are in a random order.
  std::vector<uint16_t> order;

  const uint32_t* members() const {
    if (strata != nullptr) return strata->members.data();
    return own_members.data();
  }
};

// Every sample alike: one cell.
CellLayout UniformCells(const Population& population, uint64_t slots);

// One cell for each stratum, `slots` shared out by spec.proportion. Where there are too few slots
// for every stratum, mu is taken over the rounding too: weights are then unbiased over epochs only.
// Exact quotas give the order, too.
CellLayout StratumCells(const PlanInput& input, const Population& population, uint64_t slots);

// One cell of what is kept, one of what is pruned from; by stratum if the spec says so.
CellLayout PrunedCells(const PlanInput& input, const Population& population, const SampleSet& low);

// The chosen samples, each once; with shares, as many slots as there are chosen samples, shared out
// over the strata (one that has no chosen sample is drawn from whole). The target is that of the
// spec on what is chosen.
CellLayout ChosenCells(const PlanInput& input, const Population& population,
                       const SampleSet& chosen);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_CELLS_H_
