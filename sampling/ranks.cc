#include "sampling/ranks.h"

#include <algorithm>
#include <tuple>

#include "sampling/ordered_key.h"

namespace subset::sampling {
namespace {

bool Before(const RankedSlot& a, const RankedSlot& b) {
  return std::tie(a.order, a.tie, a.slot) > std::tie(b.order, b.tie, b.slot);
}

}  // namespace

RankedSlot::RankedSlot(double score, uint32_t sample, uint32_t slot, const PhiloxKey& ties)
    : order(OrderedKey(score)), tie(Philox(ties, sample)[0]), slot(slot) {}

void SortLargestFirst(std::vector<RankedSlot>* slots) {
  std::sort(slots->begin(), slots->end(), Before);
}

}  // namespace subset::sampling
