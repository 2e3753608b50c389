// Which stratum fills each position of an epoch, so that no stratum is ever a whole slot away from
// its share.

#ifndef SUBSET_SAMPLING_QUOTA_ORDER_H_
#define SUBSET_SAMPLING_QUOTA_ORDER_H_

#include <cstdint>
#include <vector>

#include "sampling/philox.h"
#include "sampling/shares.h"

namespace subset::sampling {

// Returns the stratum of each of `slots` <= 2^32 positions, 2 bytes each.
//
// After every global batch, |served_g - h p_g| < 1 for each stratum g, h being the slots so far:
// the chairman assignment problem (Tijdeman 1980). Unit j of a stratum has to fall into the slots
// that keep the bound (Pfair: Baruah, Cohen, Plaxton, Varvel 1996), and the unit with the earliest
// deadline goes first. Which strata have their last, incomplete unit inside the epoch is drawn by
// key, so that over epochs each is served its share in expectation and none is lost for good.
// Within a batch the order is then a keyed permutation, so that its ranks get mixed strata; with
// batch_size 1 the bound holds after every slot.
//
// O(slots log strata); 4 more bytes a slot while it runs.
std::vector<uint16_t> QuotaOrder(const Shares& shares, uint64_t slots, uint32_t batch_size,
                                 const StreamKey& key);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_QUOTA_ORDER_H_
