// Shares of strata, and how they become whole numbers of slots.

#ifndef SUBSET_SAMPLING_SHARES_H_
#define SUBSET_SAMPLING_SHARES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "sampling/philox.h"

namespace subset::sampling {

// The share p_g of each stratum as a whole number over a common denominator below 2^62.
struct Shares {
  std::vector<uint64_t> cumulative;  // number of strata + 1, from 0 to denominator

  uint64_t denominator() const { return cumulative.back(); }
  uint64_t units(size_t g) const { return cumulative[g + 1] - cumulative[g]; }
  double share(size_t g) const {
    return static_cast<double>(units(g)) / static_cast<double>(denominator());
  }
};

// Returns shares in proportion to `weights` >= 0, of which some are positive: within 1e-9 of them,
// and positive where they are.
Shares SharesInProportion(absl::Span<const double> weights);

// Returns the offset of an epoch's rounding, uniform on 0 .. denominator - 1 but for 2^-64. Those
// of successive epochs of a run are a golden section of it apart, so that any number of them are
// spread evenly: what a stratum of constant share has had stays within a few slots of that share
// over thousands of epochs.
uint64_t RoundingOffset(const StreamKey& key, uint64_t denominator);

// Returns how many of `slots` <= 2^32 each stratum gets: systematic rounding with that offset.
// Sums to `slots`; each is less than one away from slots * p_g, and equal to it in expectation over
// epochs, so that no stratum is rounded away for good.
std::vector<uint64_t> RoundShares(const Shares& shares, uint64_t slots, const StreamKey& key);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SHARES_H_
