// The plan of an epoch from its cells: a keyed permutation orders the slots of all cells.
//
// A cell of n members with m slots holds each member floor(m / n) times, and m mod n of them once
// more, chosen by the head of a keyed permutation of its members. Which slot is where is uniform
// over all orders, so full passes need no order of their own.

#ifndef SUBSET_SAMPLING_CELL_PLAN_H_
#define SUBSET_SAMPLING_CELL_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "sampling/cells.h"
#include "sampling/permutation.h"
#include "sampling/plan.h"
#include "sampling/range_lookup.h"

namespace subset::sampling {

// Immutable; thread-safe. A position costs one permutation, a lookup of its cell and, in the
// remainder of a cell, one more permutation.
class CellPlan final : public EpochPlan {
 public:
  // At least one slot. O(number of cells), and O(n) for cells of up to 65,536 members that have a
  // remainder.
  CellPlan(const PlanInput& input, CellLayout layout);

  const PlanTraits& traits() const override { return traits_; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override;

  // Empty, except in an epoch that prunes: then a bit for each sample below the mean.
  std::string Serialize() const override;

 private:
  struct Drawn {
    uint32_t sample;
    uint32_t cell;
  };

  void FillTraits(const PlanInput& input);
  Drawn At(uint64_t slot) const;

  // Constant after construction.
  uint64_t num_samples_;
  uint64_t epoch_;
  bool stored_;  // depends on scores
  CellLayout layout_;
  RangeLookup slots_;             // of each cell
  std::vector<uint32_t> choice_;  // of each cell: its entry in choices_, where it has a remainder
  std::vector<Permutation> choices_;
  std::vector<double> probabilities_;  // of each cell
  std::vector<float> weights_;         // of each cell
  PlanTraits traits_;
  bool direct_;  // one cell without repeats: order_ permutes its members themselves
  Permutation order_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_CELL_PLAN_H_
