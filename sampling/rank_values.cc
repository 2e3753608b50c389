#include "sampling/rank_values.h"

#include <numeric>

#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/philox.h"

namespace subset::sampling {

void WriteRankValues(const Preference& preference, uint64_t n, uint64_t first,
                     absl::Span<double> values) {
  if (preference.law == Preference::Law::kPower) {
    std::iota(values.begin(), values.end(), static_cast<double>(first + 1));
    return RaiseRatios(-preference.alpha, 1, values);
  }
  std::iota(values.begin(), values.end(), static_cast<double>(first));
  const double pressure = -PortableLog2(preference.pressure);
  for (double& value : values) value = pressure * value / static_cast<double>(n);
  RaiseTwo(values);
}

Rankings::Rankings(const PlanInput& input, const Population& population)
    : executor_(input.executor),
      scores_(input, population),
      by_{scores_, UnscoredScore(input.spec.guard, scores_, input.executor), population,
          DeriveKey(input.key, Purpose::kTies)} {}

}  // namespace subset::sampling
