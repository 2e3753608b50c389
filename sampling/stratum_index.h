// Slots of the weight index by stratum, and for each stratum the exact sums its draws need.

#ifndef SUBSET_SAMPLING_STRATUM_INDEX_H_
#define SUBSET_SAMPLING_STRATUM_INDEX_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "sampling/huge_array.h"
#include "sampling/least_leaf.h"
#include "sampling/population.h"
#include "sampling/range_lookup.h"
#include "sampling/weight_index.h"

namespace subset::sampling {

// Slots are those of the population, so that one index serves every stratum: the targets of stratum
// g are [base, base + total).
//
// Not thread-safe: const methods may run together, Update alone.
class StratumIndex {
 public:
  struct Sums {
    uint64_t base = 0;                    // sum of the weights of the strata before
    uint64_t total = 0;                   // V_g
    unsigned __int128 total_squares = 0;  // of v_i^2
    uint64_t positive = 0;                // samples with v_i > 0
  };

  // `fill` writes the leaves in slot order, once, as WeightIndex asks for them. O(N).
  StratumIndex(const Population& population, FillLeaves fill);

  const WeightIndex& weights() const { return weights_; }
  const std::vector<Sums>& sums() const { return sums_; }

  // Sets the leaves of samples; the last leaf of a repeated sample stays. Those outside the
  // population are left out. O(log N) each and
  // O(strata) per call; the first call over strata takes O(N) and 4 bytes a sample.
  void Update(absl::Span<const uint32_t> samples, absl::Span<const Leaf> leaves);

  // Makes LeastPositive answer from here on. O(N).
  void TrackLeast() { least_.emplace(weights_.leaves()); }
  // Returns the least positive leaf of stratum g, 0 where it has none. O(log N).
  Leaf LeastPositive(size_t g) const;

  uint64_t memory_bytes() const;

 private:
  void FillAndSum(FillLeaves fill, absl::Span<Leaf> leaves, SumPart sum_part);
  void FindBases();
  size_t StratumOf(uint64_t slot) const;
  void FindSlots();
  void SetSlots(absl::Span<const uint32_t> slots, absl::Span<const Leaf> leaves);

  const Population population_;
  std::vector<Sums> sums_;
  WeightIndex weights_;
  std::optional<LeastLeaf> least_;
  HugeArray<uint32_t> slots_;  // of each sample, from the first update on where there are strata
  RangeLookup stratum_of_slot_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STRATUM_INDEX_H_
