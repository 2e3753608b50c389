#include "sampling/mixture.h"

#include <algorithm>
#include <utility>

#include "sampling/targets.h"

namespace subset::sampling {
namespace {

constexpr double kTwo64 = 18446744073709551616.0;
constexpr double kShareUnits = 0x1p62;  // of shares that no column of counts gives

uint64_t Threshold(double probability) {
  return probability < 1 ? static_cast<uint64_t>(probability * kTwo64) : UINT64_MAX;
}

}  // namespace

MixtureMaker::MixtureMaker(const PlanInput& input, const Population& population,
                           const Shares& shares, std::vector<uint64_t> stale)
    : refresh_(input.spec.guard.refresh), by_target_(false), stale_(std::move(stale)) {
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  const size_t strata = population.num_strata();
  for (size_t g = 0; g < strata; ++g) {
    MixedStratum stratum;
    stratum.first = population.first(g);
    stratum.count = population.count(g);
    stratum.target = 1 / inverse_targets[g];
    stratum.share = strata == 1 ? 1 : shares.share(g);
    const double target_share = static_cast<double>(stratum.count) / inverse_targets[g];
    by_target_ |= input.spec.guard.floor_by_target && target_share != stratum.share;
    strata_.push_back(stratum);
  }
  if (strata > 1) shares_ = RangeLookup(shares.cumulative);
}

Mixture MixtureMaker::At(double floor, const StratumIndex* index) const {
  Mixture mixture;
  mixture.strata = strata_;
  const bool moved = by_target_ && floor > 0;
  std::vector<uint64_t> cumulative = {0};
  double sum = 0;
  for (MixedStratum& stratum : mixture.strata) {
    double share_left = 1;  // of the stratum's own share
    stratum.floor = floor;
    if (moved) {
      const double own = (1 - floor) * stratum.share;
      const double from_floor = floor * stratum.target * static_cast<double>(stratum.count);
      sum += own + from_floor;
      const auto until = static_cast<uint64_t>(std::min(sum, 1.0) * kShareUnits);
      cumulative.push_back(&stratum == &mixture.strata.back() ? uint64_t{1} << 62 : until);
      share_left = own + from_floor > 0 ? stratum.share / (own + from_floor) : 1;
      stratum.floor = own + from_floor > 0 ? from_floor / (own + from_floor) : floor;
      stratum.share =
          static_cast<double>(cumulative.end()[-1] - cumulative.end()[-2]) / kShareUnits;
    }
    stratum.refreshed = std::min(refresh_ * share_left, 1 - stratum.floor);
    stratum.other_threshold = Threshold(stratum.floor + stratum.refreshed);
    stratum.refresh_threshold = Threshold(stratum.refreshed);
  }
  if (moved) {
    mixture.shares = RangeLookup(std::move(cumulative));
  } else if (strata_.size() > 1) {
    mixture.shares = shares_;
  }
  SetTotals(index, &mixture);
  return mixture;
}

void MixtureMaker::SetTotals(const StratumIndex* index, Mixture* mixture) const {
  for (size_t g = 0; g < mixture->strata.size(); ++g) {
    MixedStratum& stratum = mixture->strata[g];
    const bool prefers = index != nullptr && stratum.floor + stratum.refreshed < 1;
    const uint64_t total = prefers ? index->sums()[g].total : 0;
    const double members = static_cast<double>(stratum.count);
    stratum.preferred_total = total;
    if (total == 0) {
      stratum.slope = 0;
      stratum.intercept = stratum.share * (1 - stratum.refreshed) / members;
    } else {
      stratum.base = index->sums()[g].base;
      stratum.slope =
          stratum.share * (1 - stratum.floor - stratum.refreshed) / static_cast<double>(total);
      stratum.intercept = stratum.share * stratum.floor / members;
    }
    if (!stale_.empty()) {
      stratum.refresh = stratum.share * stratum.refreshed / static_cast<double>(stale_[g]);
    }
  }
}

void MixtureMaker::RestrictTarget(const std::vector<uint64_t>& reached) {
  double mass = 0;
  for (size_t g = 0; g < strata_.size(); ++g) {
    mass += strata_[g].target * static_cast<double>(reached[g]);
  }
  for (MixedStratum& stratum : strata_) stratum.target /= mass;
}

}  // namespace subset::sampling
