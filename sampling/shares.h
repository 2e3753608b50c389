// Shares of strata into whole numbers of slots.

#ifndef SUBSET_SAMPLING_SHARES_H_
#define SUBSET_SAMPLING_SHARES_H_

#include <cstdint>
#include <vector>

#include "sampling/columns.h"
#include "sampling/philox.h"
#include "sampling/spec.h"

namespace subset::sampling {

// The share p_g of each stratum as a whole number over a common denominator.
struct Shares {
  std::vector<uint64_t> cumulative;  // number of strata + 1, from 0 to denominator

  uint64_t denominator() const { return cumulative.back(); }
  double share(size_t g) const {
    return static_cast<double>(cumulative[g + 1] - cumulative[g]) /
           static_cast<double>(denominator());
  }
};

// NATURAL: n_g / N. EQUAL: 1 / (number of strata); strata are never empty.
Shares SharesOf(const Proportion& proportion, const Strata& strata);

// Returns how many of `slots` <= 2^32 each stratum gets: systematic rounding with one keyed offset.
// Sums to `slots`; each is less than one away from slots * p_g, and equal to it in expectation over
// epochs, so that no stratum is rounded away for good.
std::vector<uint64_t> RoundShares(const Shares& shares, uint64_t slots, const StreamKey& key);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SHARES_H_
