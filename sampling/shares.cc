#include "sampling/shares.h"

#include "sampling/philox.h"

namespace subset::sampling {

Shares SharesOf(const Proportion& proportion, const Strata& strata) {
  Shares shares;
  if (proportion.kind == Proportion::Kind::kNatural) {
    shares.cumulative = strata.offsets;
  } else {
    for (uint64_t g = 0; g <= strata.values.size(); ++g) shares.cumulative.push_back(g);
  }
  return shares;
}

std::vector<uint64_t> RoundShares(const Shares& shares, uint64_t slots, const StreamKey& key) {
  const unsigned __int128 denominator = shares.denominator();
  const uint64_t offset = UniformInt(DeriveKey(key, Purpose::kRounding), 0, shares.denominator());
  std::vector<uint64_t> counts;
  counts.reserve(shares.cumulative.size() - 1);
  uint64_t before = 0;
  for (size_t g = 1; g < shares.cumulative.size(); ++g) {
    const unsigned __int128 product = static_cast<unsigned __int128>(slots) * shares.cumulative[g];
    const auto until = static_cast<uint64_t>((product + offset) / denominator);
    counts.push_back(until - before);
    before = until;
  }
  return counts;
}

}  // namespace subset::sampling
