// Epochs in which rare labels stand more often: EPOCH over repeat_factor.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "base/error.h"
#include "sampling/drawn_slots.h"
#include "sampling/huge_array.h"
#include "sampling/inclusion.h"
#include "sampling/permutation.h"
#include "sampling/repeat_factor.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kOrderStream = 0;  // sub-streams of Purpose::kRepeats: the order, and the offset
constexpr uint64_t kOffsetStream = 1;

}  // namespace

absl::StatusOr<DrawnSlots> DrawRepeats(const PlanInput& input, const Population& population) {
  std::vector<double> repeats = RepeatFactors(input, population);
  for (double& r : repeats) r = Snapped(r);
  const double sum = std::accumulate(repeats.begin(), repeats.end(), 0.0);
  const double n = static_cast<double>(population.size());
  const uint64_t most = MostRepeated(population.size());
  if (sum > static_cast<double>(most)) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "preference.repeat_factor.threshold ", input.spec.preference.threshold,
                          " makes an epoch of ", sum, " positions over ", population.size(),
                          " samples, which is more than ", most)),
                      "TOO_MANY_REPEATS");
  }
  // In a keyed order, so that who is rounded up together is another matter in every epoch.
  std::vector<uint32_t> order = HugeVector<uint32_t>(population.size());
  Permutation(population.size(), DeriveKey(input.key, Purpose::kRepeats, kOrderStream))
      .Fill(0, absl::MakeSpan(order));
  std::vector<double> targets(order.size());
  for (size_t k = 0; k < order.size(); ++k) targets[k] = repeats[order[k]];
  const std::vector<uint64_t> counts =
      RoundTargets(targets, DeriveKey(input.key, Purpose::kRepeats, kOffsetStream));
  DrawnSlots drawn;
  ReserveHuge(static_cast<size_t>(sum) + 1, &drawn.slots);
  for (size_t k = 0; k < order.size(); ++k) {
    drawn.slots.insert(drawn.slots.end(), counts[k], order[k]);
  }
  drawn.mass = static_cast<double>(drawn.slots.size());
  if (sum > n) drawn.probability_kind = ProbabilityKind::kExpectedCount;
  drawn.expected_by_slot = std::move(repeats);
  return drawn;
}

}  // namespace subset::sampling
