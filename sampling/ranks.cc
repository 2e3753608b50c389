#include "sampling/ranks.h"

#include <algorithm>
#include <cstring>
#include <tuple>

namespace subset::sampling {
namespace {

// Doubles as integers in the same order; 0 and -0 are one.
uint64_t OrderOf(double score) {
  score += 0.0;
  uint64_t bits;
  std::memcpy(&bits, &score, sizeof(bits));
  constexpr uint64_t kSign = uint64_t{1} << 63;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

bool Before(const RankedSlot& a, const RankedSlot& b) {
  return std::tie(a.order, a.tie, a.slot) > std::tie(b.order, b.tie, b.slot);
}

}  // namespace

RankedSlot::RankedSlot(double score, uint32_t sample, uint32_t slot, const PhiloxKey& ties)
    : order(OrderOf(score)), tie(Philox(ties, sample)[0]), slot(slot) {}

void SortLargestFirst(std::vector<RankedSlot>* slots) {
  std::sort(slots->begin(), slots->end(), Before);
}

void PartitionRanks(uint64_t first, uint64_t last, std::vector<RankedSlot>* slots) {
  std::nth_element(slots->begin(), slots->begin() + first, slots->end(), Before);
  std::nth_element(slots->begin() + first, slots->begin() + last, slots->end(), Before);
}

}  // namespace subset::sampling
