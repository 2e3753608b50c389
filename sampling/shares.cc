#include "sampling/shares.h"

#include <algorithm>
#include <cmath>

namespace subset::sampling {
namespace {

constexpr double kUnits = 0x1p60;  // that a share of one has, about

}  // namespace

Shares SharesInProportion(absl::Span<const double> weights) {
  // Against the largest first, so that no sum of weights overflows or vanishes.
  const double largest = *std::max_element(weights.begin(), weights.end());
  double sum = 0;
  for (const double weight : weights) sum += weight / largest;
  Shares shares;
  shares.cumulative.push_back(0);
  for (const double weight : weights) {
    uint64_t units = 0;
    if (weight > 0) {
      const double exact = weight / largest / sum * kUnits;
      units = std::max<uint64_t>(1, static_cast<uint64_t>(exact));
    }
    shares.cumulative.push_back(shares.cumulative.back() + units);
  }
  return shares;
}

uint64_t RoundingOffset(const StreamKey& key, uint64_t denominator) {
  constexpr uint64_t kGoldenSection = 0x9E3779B97F4A7C15;  // of 2^64
  const PhiloxKey run = DeriveKey({key.seed, key.sampler_version, 0}, Purpose::kRounding);
  const uint64_t place = BlockLow(Philox(run, 0)) + key.epoch * kGoldenSection;
  return static_cast<uint64_t>(static_cast<unsigned __int128>(place) * denominator >> 64);
}

std::vector<uint64_t> RoundShares(const Shares& shares, uint64_t slots, const StreamKey& key) {
  const unsigned __int128 denominator = shares.denominator();
  const uint64_t offset = RoundingOffset(key, shares.denominator());
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
