#include "engine/planned_strata.h"

#include <algorithm>

#include "base/log.h"
#include "base/status_macros.h"

namespace subset {

std::optional<uint64_t> FindSlot(const sampling::Population& population, size_t g,
                                 uint32_t sample) {
  if (population.strata == nullptr) {
    if (sample >= population.num_samples) return std::nullopt;
    return sample;
  }
  const auto begin = population.strata->members.begin() + population.first(g);
  const auto end = begin + population.count(g);
  const auto found = std::lower_bound(begin, end, sample);
  if (found == end || *found != sample) return std::nullopt;
  return found - population.strata->members.begin();
}

PlannedStrata::Key PlannedStrata::KeyOf(const sampling::Population& population, size_t g) {
  if (population.strata == nullptr) return {0, 0};
  const sampling::Strata& strata = *population.strata;
  return {strata.values[g], strata.inner_values.empty() ? 0 : strata.inner_values[g]};
}

absl::StatusOr<PlannedStrata> PlannedStrata::Create(const sampling::PlanInput& input,
                                                    const sampling::Population& population) {
  sampling::PlanInput unfiltered = input;
  unfiltered.population.reset();
  unfiltered.spec.eligible = {};
  unfiltered.spec.preference.irreducible.clear();
  PlannedStrata strata;
  SUBSET_ASSIGN_OR_RETURN(strata.all_, sampling::BuildPopulation(unfiltered));
  strata.left_ = population;
  strata.nested_ = input.spec.proportion.within != nullptr;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    strata.left_by_key_[KeyOf(population, g)] = g;
  }
  return strata;
}

std::optional<size_t> PlannedStrata::Left(size_t g) const {
  const auto it = left_by_key_.find(KeyOf(all_, g));
  if (it == left_by_key_.end()) return std::nullopt;
  return it->second;
}

v1::PreviewSamplerResponse::Stratum PlannedStrata::Describe(size_t g,
                                                            absl::Span<const double> counts,
                                                            double total_draws) const {
  v1::PreviewSamplerResponse::Stratum stratum;
  const Key key = KeyOf(all_, g);
  stratum.set_value(key.first);
  if (nested_) stratum.set_inner_value(key.second);
  stratum.set_samples(all_.count(g));
  const std::optional<size_t> left = Left(g);
  if (!left.has_value()) return stratum;
  double draws = 0;
  for (uint64_t slot = left_.first(*left); slot < left_.first(*left) + left_.count(*left); ++slot) {
    draws += counts[left_.sample(slot)];
  }
  stratum.set_eligible_samples(left_.count(*left));
  stratum.set_expected_draws(draws);
  stratum.set_share(total_draws > 0 ? draws / total_draws : 0);
  stratum.set_expected_repeats(draws / static_cast<double>(left_.count(*left)));
  return stratum;
}

size_t PlannedStrata::Of(uint32_t sample) const {
  for (size_t g = 0; g < all_.num_strata(); ++g) {
    if (FindSlot(all_, g, sample).has_value()) return g;
  }
  SUBSET_CHECK(false);
  return 0;
}

}  // namespace subset
