// Slots of the weight index by stratum, and for each stratum the exact sums its draws need.

#ifndef SUBSET_SAMPLING_STRATUM_INDEX_H_
#define SUBSET_SAMPLING_STRATUM_INDEX_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "sampling/columns.h"
#include "sampling/weight_index.h"

namespace subset::sampling {

// Samples stand in the order of their strata, so that one index serves every stratum: the targets
// of stratum g are [base, base + total). Without strata slot i is sample i.
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

  // `fill` gives the leaves in slot order, as WeightIndex asks for them. `strata` is null for a
  // single stratum. O(N).
  StratumIndex(std::shared_ptr<const Strata> strata, uint64_t num_samples,
               absl::FunctionRef<void(uint64_t first, absl::Span<Leaf> out)> fill);

  const WeightIndex& weights() const { return weights_; }
  const std::vector<Sums>& sums() const { return sums_; }

  // Sets the leaves of samples; the last leaf of a repeated sample stays. O(log N) each and
  // O(strata) per call; the first call over strata takes O(N) and 4 bytes a sample.
  void Update(absl::Span<const uint32_t> samples, absl::Span<const Leaf> leaves);

  uint64_t memory_bytes() const;

 private:
  void FindSlots();

  const std::shared_ptr<const Strata> strata_;
  WeightIndex weights_;
  std::vector<Sums> sums_;
  std::vector<uint32_t> slots_;  // of each sample, from the first update on
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STRATUM_INDEX_H_
