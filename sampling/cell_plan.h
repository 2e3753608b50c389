// The plan of an epoch from its cells: a keyed permutation orders the slots of all cells.
//
// A cell of n members with m slots holds each member floor(m / n) times, and m mod n of them once
// more: the head of a keyed permutation of its members. That is written out where several cells
// have one, since a permutation is quick in bulk only. Which slot is where is uniform over all
// orders, so full passes need no order of their own. With exact quotas the layout says which cell
// fills a position; a keyed permutation of each cell's slots says which of them.

#ifndef SUBSET_SAMPLING_CELL_PLAN_H_
#define SUBSET_SAMPLING_CELL_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sampling/cells.h"
#include "sampling/huge_array.h"
#include "sampling/permutation.h"
#include "sampling/plan.h"
#include "sampling/range_lookup.h"

namespace subset::sampling {

// Immutable; thread-safe. A position costs one permutation or two, a lookup of its cell, and that
// of a member in the layout.
class CellPlan final : public EpochPlan {
 public:
  // At least one slot; cells of some of the `num_eligible` samples. Time and 4 bytes for each slot
  // of a remainder, where several cells have one; with exact quotas, for every slot.
  CellPlan(const PlanInput& input, uint64_t num_eligible, CellLayout layout);

  const PlanTraits& traits() const override { return traits_; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override;
  void Expect(absl::Span<double> counts) const override;

  // Empty, unless cells depend on reported scores: then a bit for each sample below the mean, or of
  // each chosen one.
  std::string Serialize() const override;

 private:
  // Where the samples of a cell's slots stand.
  struct Source {
    uint64_t first_slot;
    uint64_t first_member;
    uint64_t count;      // of members
    uint64_t full;       // slots before the remainder: whole passes over the members
    uint64_t remainder;  // where it begins among the remainders
  };

  void ChooseRemainders(const PlanInput& input);
  void OrderByQuotas(const PlanInput& input);
  void FillTraits(const PlanInput& input);
  // Puts samples in the place of at most kGroup slots.
  void DrawGroup(absl::Span<uint32_t> slots, absl::Span<double> probabilities,
                 absl::Span<float> weights) const;

  // Constant after construction.
  uint64_t num_samples_;  // of the dataset
  uint64_t num_eligible_;
  uint64_t epoch_;
  bool stored_;  // depends on scores
  CellLayout layout_;
  RangeLookup slots_;  // of each cell
  bool direct_;  // one cell of all samples, no repeats: order_ permutes the samples themselves
  Permutation order_;
  std::vector<uint32_t> quota_order_;  // in its place: the slot of each position
  HugeArray<uint32_t> remainders_;     // of all cells: samples
  std::optional<Permutation> choice_;  // in their place, where only one cell has a remainder:
  uint32_t choice_first_ = 0;          // which of its members, the first of which is this one
  std::vector<Source> sources_;        // of each cell
  std::vector<double> probabilities_;  // of each cell
  std::vector<float> weights_;         // of each cell
  PlanTraits traits_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_CELL_PLAN_H_
