// The cells of an epoch: groups of samples that are alike, each with a number of slots.

#ifndef SUBSET_SAMPLING_CELLS_H_
#define SUBSET_SAMPLING_CELLS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "sampling/columns.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/sample_set.h"
#include "sampling/split_slots.h"

namespace subset::sampling {

struct Cell {
  uint64_t first = 0;  // members [first, first + count) of the layout, by number
  uint64_t count = 0;  // > 0
  uint64_t slots = 0;
  double expected_slots = 0;  // what mu is: expected_slots / count
  double inverse_target = 0;  // 1 / r_i
  bool contained = false;     // where the layout is split: its members are in the set
};

struct CellLayout {
  std::vector<Cell> cells;
  // Members are slots of the population, numbered by `split` where it is set. Their samples are
  // those of `strata`; null: slots are samples.
  std::shared_ptr<const Strata> strata;
  std::optional<SplitSlots> split;
  // w = mass * r_i / mu_i. The number of slots makes the mean over a batch unbiased, the number of
  // samples makes the weights of an epoch sum to it.
  double mass = 0;
  bool fell_back_to_uniform = false;  // a stratum had no chosen sample
  // The cell of each position, where exact quotas say so; else positions are in a random order.
  std::vector<uint16_t> order;

  // Asks for what FindSamples reads, where that is one place.
  void Prefetch(uint64_t number) const {
    if (strata != nullptr && !split) __builtin_prefetch(strata->members.data() + number);
  }

  // Puts samples in the place of the numbers of members. Some nanoseconds each, in bulk.
  void FindSamples(absl::Span<uint32_t> numbers) const;

  // Returns the samples of the set that splits the members. REQUIRES: split.
  SampleSet SplitSet(uint64_t num_samples) const;
};

// Every sample alike: one cell.
CellLayout UniformCells(const Population& population, uint64_t slots);

// The same for the samples of a set, of which there are some.
CellLayout MemberCells(const PlanInput& input, const SampleSet& members, uint64_t slots);

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
