#include "sampling/proportion.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "base/log.h"
#include "sampling/leaf.h"

namespace subset::sampling {
namespace {

constexpr double kLeast = 0x1p-60;  // a share that is not 0

// n_g of each stratum: the sums of a column, or (empty) the numbers of samples.
std::vector<double> Sizes(const PlanInput& input, const Strata& strata, const std::string& column) {
  std::vector<double> sizes(strata.values.size());
  if (!column.empty()) {
    const auto it = input.columns.dataset.find(column);
    SUBSET_CHECK(it != input.columns.dataset.end());
    const ColumnView& view = it->second;
    VisitType(view.type, [&](const auto* type) {
      using T = std::remove_cv_t<std::remove_pointer_t<decltype(type)>>;
      for (size_t g = 0; g < sizes.size(); ++g) {
        double sum = 0;
        for (uint64_t k = strata.offsets[g]; k < strata.offsets[g + 1]; ++k) {
          const uint64_t i = strata.members[k];
          const T value = static_cast<const T*>(view.chunks[i / kChunkSamples])[i % kChunkSamples];
          if (value > 0) sum += static_cast<double>(value);
        }
        sizes[g] = sum;
      }
    });
    if (std::any_of(sizes.begin(), sizes.end(), [](double size) { return size > 0; })) {
      return sizes;
    }
  }
  for (size_t g = 0; g < sizes.size(); ++g) sizes[g] = static_cast<double>(strata.count(g));
  return sizes;
}

// E_n = (1 - beta^n) / (1 - beta): the volume that n samples cover.
double EffectiveNumber(double beta, double n) {
  if (beta == 1) return n;
  if (beta == 0) return 1;
  return -PortableExp2m1(n * PortableLog2(beta)) / (1 - beta);
}

// Smallest strata first, each takes an even part of the budget that is left, but at most max_epochs
// of itself (Chung et al. 2023).
std::vector<double> Unimax(const std::vector<double>& sizes, double max_epochs, double budget) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return std::tie(sizes[a], a) < std::tie(sizes[b], b); });
  std::vector<double> weights(sizes.size());
  size_t left = sizes.size();
  for (const size_t g : order) {
    weights[g] = std::min(budget / static_cast<double>(left--), max_epochs * sizes[g]);
    budget -= weights[g];
  }
  return weights;
}

// The values of one level and the sizes behind them.
struct Level {
  const Proportion& proportion;
  std::vector<int64_t> values;
  std::vector<double> sizes;
};

// Weights in proportion to the shares; they sum to one, or are all 0.
std::vector<double> LevelShares(const PlanInput& input, const Level& level) {
  using Kind = Proportion::Kind;
  const Proportion& proportion = level.proportion;
  std::vector<double> sizes = level.sizes;
  double largest = *std::max_element(sizes.begin(), sizes.end());
  if (largest == 0) sizes.assign(sizes.size(), largest = 1);  // inside an outer value of size 0
  std::vector<double> weights(sizes.size());
  const auto each = [&](auto weight) {
    for (size_t g = 0; g < sizes.size(); ++g) weights[g] = weight(g);
  };
  switch (proportion.kind) {
    case Kind::kNatural:
      each([&](size_t g) { return sizes[g] / largest; });
      break;
    case Kind::kEqual:
      each([](size_t) { return 1.0; });
      break;
    case Kind::kTemperature:
      each([&](size_t g) {
        if (sizes[g] == 0) return 0.0;
        const double log = PortableLog2(sizes[g]) - PortableLog2(largest);
        return std::max(kLeast, PortableExp2(log / proportion.temperature));
      });
      break;
    case Kind::kEffectiveNumber:
      each([&](size_t g) {
        if (sizes[g] == 0) return 0.0;
        const double weighed = proportion.effective_by_stratum ? 1 : sizes[g];
        return weighed / EffectiveNumber(proportion.effective_beta, sizes[g]);
      });
      break;
    case Kind::kExplicit:
      each([&](size_t g) {
        const auto it = proportion.shares.find(level.values[g]);
        return it == proportion.shares.end() ? 0.0 : it->second;
      });
      break;
    case Kind::kUnimax: {
      const double total = std::accumulate(sizes.begin(), sizes.end(), 0.0);
      weights = Unimax(sizes, proportion.max_epochs, input.spec.draw.fraction * total);
      break;
    }
    case Kind::kGroupDro:
    case Kind::kDoremi:
    case Kind::kOdm:
      each([&](size_t g) {
        if (input.learned_shares.empty()) return 1.0;
        const std::vector<int64_t>& all = input.strata->values;
        const auto it = std::lower_bound(all.begin(), all.end(), level.values[g]);
        return std::max(kLeast, input.learned_shares.at(it - all.begin()));
      });
      break;
  }
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (sum > 0) {
    for (double& weight : weights) weight /= sum;
  }
  return weights;
}

std::vector<double> NestedShares(const PlanInput& input, const Strata& strata) {
  const Proportion& proportion = input.spec.proportion;
  const std::vector<double> outer_sizes = Sizes(input, strata, proportion.size_column);
  const std::vector<double> inner_sizes = Sizes(input, strata, proportion.within->size_column);
  std::vector<double> shares;  // inside the outer value, then times its share
  std::vector<size_t> firsts;
  Level outer = {proportion, {}, {}};
  for (size_t first = 0; first < strata.values.size();) {
    size_t last = first;
    Level inner = {*proportion.within, {}, {}};
    double size = 0;
    for (; last < strata.values.size() && strata.values[last] == strata.values[first]; ++last) {
      inner.values.push_back(strata.inner_values[last]);
      inner.sizes.push_back(inner_sizes[last]);
      size += outer_sizes[last];
    }
    const std::vector<double> inside = LevelShares(input, inner);
    shares.insert(shares.end(), inside.begin(), inside.end());
    firsts.push_back(first);
    outer.values.push_back(strata.values[first]);
    outer.sizes.push_back(size);
    first = last;
  }
  firsts.push_back(strata.values.size());
  const std::vector<double> outside = LevelShares(input, outer);
  for (size_t d = 0; d < outside.size(); ++d) {
    for (size_t g = firsts[d]; g < firsts[d + 1]; ++g) shares[g] *= outside[d];
  }
  return shares;
}

}  // namespace

Shares SharesOf(const PlanInput& input, const Population& population) {
  const Proportion& proportion = input.spec.proportion;
  Shares shares;
  if (population.strata == nullptr || proportion.column.empty()) {
    shares.cumulative = {0, population.size()};
    return shares;
  }
  const Strata& strata = *population.strata;
  const bool nested = proportion.within != nullptr;
  if (proportion.as_in_the_data()) {
    shares.cumulative = strata.offsets;
    return shares;
  }
  if (proportion.kind == Proportion::Kind::kEqual && !nested) {
    for (uint64_t g = 0; g <= strata.values.size(); ++g) shares.cumulative.push_back(g);
    return shares;
  }
  if (nested) return SharesInProportion(NestedShares(input, strata));
  const std::vector<double> sizes = Sizes(input, strata, proportion.size_column);
  return SharesInProportion(LevelShares(input, {proportion, strata.values, sizes}));
}

}  // namespace subset::sampling
