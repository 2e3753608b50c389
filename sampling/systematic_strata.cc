#include "sampling/systematic_strata.h"

#include <cstddef>

#include "absl/types/span.h"
#include "sampling/drawn_slots.h"
#include "sampling/inclusion.h"
#include "sampling/philox.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

// Streams of kSystematic: stratum g has 2 g for its order and 2 g + 1 for its point.
constexpr uint64_t kRoundingStream = ~uint64_t{0};

PhiloxKey KeyOf(const PlanInput& input, uint64_t stream) {
  return DeriveKey(input.key, Purpose::kSystematic, stream);
}

}  // namespace

std::vector<SystematicStratum> SystematicStrata(const PlanInput& input,
                                                const Population& population, uint64_t slots,
                                                const StratumIndex& leaves) {
  std::vector<double> positive;
  for (const StratumIndex::Sums& sums : leaves.sums()) {
    positive.push_back(static_cast<double>(sums.positive));
  }
  const std::vector<double> targets =
      StratumTargets(input, population, positive, static_cast<double>(slots));
  const std::vector<uint64_t> counts = RoundTargets(targets, KeyOf(input, kRoundingStream));

  std::vector<SystematicStratum> strata(targets.size());
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    SystematicStratum& stratum = strata[g];
    const std::vector<LeafCount> own = CountLeaves(
        leaves.weights().leaves().subspan(population.first(g), population.count(g)), executor);
    stratum.order.emplace(population.count(g), KeyOf(input, 2 * g));
    stratum.law = RoundedLaw(own, targets[g]);
    stratum.expected = stratum.law.Expect(own);
    stratum.drawn = stratum.law.For(counts[g]);
    if (stratum.drawn.count() > 0) {
      const uint64_t start = UniformInt(KeyOf(input, 2 * g + 1), 0, stratum.drawn.total());
      stratum.points = SystematicPoints(stratum.drawn, start);
    }
  });
  for (size_t g = 0; g + 1 < strata.size(); ++g) {
    strata[g + 1].first_certain = strata[g].first_certain + strata[g].drawn.certain();
    strata[g + 1].base = strata[g].base + strata[g].drawn.total();
  }
  return strata;
}

}  // namespace subset::sampling
