#include "sampling/rank_leaves.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "absl/types/span.h"
#include "sampling/merge_parts.h"
#include "sampling/parts.h"
#include "sampling/rank_values.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

// What the values of each stratum are multiplied by, so that their mean is 1.
std::vector<double> FactorsOf(const PlanInput& input, const Population& population) {
  std::vector<double> factors(population.num_strata());
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const uint64_t n = population.count(g);
    const double sum = MergeParts(
        executor, n,
        [&](uint64_t first, uint64_t last) {
          double part = 0;
          ForEachRankValues(input.spec.preference, n, first, last,
                            [&part](uint64_t, absl::Span<const double> values) {
                              part = std::accumulate(values.begin(), values.end(), part);
                            });
          return part;
        },
        [](double part, double* all) { *all += part; });
    factors[g] = static_cast<double>(n) / sum;
  });
  return factors;
}

}  // namespace

bool FillFromRanks(const PlanInput& input, const Population& population, DrawIndex* index) {
  const Rankings rankings(input, population);
  if (!rankings.any()) return false;
  const std::vector<double> factors = FactorsOf(input, population);
  // Their mean is 1, and the first of each stratum, its factor, is the largest there.
  const LeafScale scale = ScaleOfValues(population.size(), static_cast<double>(population.size()),
                                        *std::max_element(factors.begin(), factors.end()));
  std::vector<uint64_t> clamped(population.num_strata());
  const auto fill = [&](absl::Span<Leaf> leaves, SumPart sum_part) {
    rankings.ForEach([&](size_t g, const Ranks& ranks, const Executor* executor) {
      clamped[g] = MergeParts(
          executor, ranks.size(),
          [&](uint64_t first, uint64_t last) {
            uint64_t part = 0;
            const auto write = [&](uint64_t rank, absl::Span<double> values) {
              for (double& value : values) value *= factors[g];
              Leaf encoded[kMaxRankValues];
              part += scale.Encode(values, absl::MakeSpan(encoded, values.size()));
              for (size_t k = 0; k < values.size(); ++k) leaves[ranks.slot(rank + k)] = encoded[k];
            };
            ForEachRankValues(input.spec.preference, ranks.size(), first, last, write);
            return part;
          },
          [](uint64_t part, uint64_t* all) { *all += part; });
    });
    ForEachPart(input.executor, leaves.size(),
                [&](size_t, uint64_t first, uint64_t last) { sum_part(first, last); });
  };
  index->index = std::make_unique<StratumIndex>(population, fill);
  index->scale = scale;
  index->any_positive = true;
  index->clamped = std::accumulate(clamped.begin(), clamped.end(), uint64_t{0});
  return true;
}

}  // namespace subset::sampling
