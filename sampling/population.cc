#include "sampling/population.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/eligible.h"
#include "sampling/epoch_slots.h"
#include "sampling/plan.h"
#include "sampling/stored_set.h"
#include "sampling/strata.h"

namespace subset::sampling {
namespace {

absl::StatusOr<ColumnView> IntegerColumn(const PlanInput& input, const std::string& name,
                                         absl::string_view field) {
  const auto it = input.columns.dataset.find(name);
  if (it == input.columns.dataset.end()) {
    return InvalidField(field, absl::StrCat("\"", name, "\" is not in the dataset"));
  }
  if (!it->second.integer()) {
    return InvalidField(field, absl::StrCat("\"", name, "\" is not of an integer type"));
  }
  return it->second;
}

// The strata of the samples in `eligible`, null for every sample.
absl::StatusOr<std::shared_ptr<const Strata>> StrataOf(const PlanInput& input,
                                                       const SampleSet* eligible) {
  const Proportion& proportion = input.spec.proportion;
  if (proportion.within != nullptr) {
    SUBSET_ASSIGN_OR_RETURN(const ColumnView outer,
                            IntegerColumn(input, proportion.column, "proportion.column"));
    SUBSET_ASSIGN_OR_RETURN(const ColumnView inner, IntegerColumn(input, proportion.within->column,
                                                                  "proportion.within.column"));
    return BuildNestedStrata(outer, inner, input.num_samples, eligible, input.executor);
  }
  SUBSET_CHECK(input.strata != nullptr);
  if (eligible == nullptr) return input.strata;
  return RestrictStrata(*input.strata, *eligible, input.executor);
}

// Whether explicit shares, outer or inner, give this stratum one.
bool HasShare(const Proportion& proportion, const Strata& strata, size_t g) {
  const auto positive = [](const Proportion& level, int64_t value) {
    if (level.kind != Proportion::Kind::kExplicit) return true;
    const auto it = level.shares.find(value);
    return it != level.shares.end() && it->second > 0;
  };
  if (!positive(proportion, strata.values[g])) return false;
  return proportion.within == nullptr || positive(*proportion.within, strata.inner_values[g]);
}

// The population of `eligible`, null for every sample.
absl::StatusOr<Population> Gather(const PlanInput& input,
                                  std::shared_ptr<const SampleSet> eligible) {
  const Proportion& proportion = input.spec.proportion;
  Population population;
  population.num_samples = input.num_samples;
  population.eligible = eligible;
  if (!proportion.column.empty()) {
    SUBSET_ASSIGN_OR_RETURN(population.strata, StrataOf(input, eligible.get()));
  } else if (eligible != nullptr) {
    population.strata = OneStratum(*eligible, input.executor);
  }
  if (population.size() == 0) {
    return NothingToDraw(eligible == nullptr ? "the dataset has no samples"
                                             : "no sample passes the filter");
  }
  if (population.strata == nullptr) return population;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    if (HasShare(proportion, *population.strata, g)) return population;
  }
  return NothingToDraw("proportion.shares give no share to any stratum that has samples");
}

}  // namespace

bool ReadsStrata(const SamplerSpec& spec) {
  const Proportion& proportion = spec.proportion;
  return !proportion.column.empty() && (proportion.within == nullptr || proportion.adaptive());
}

absl::StatusOr<Population> BuildPopulation(const PlanInput& input) {
  if (input.population.has_value()) return *input.population;
  if (!HasFilter(input.spec)) return Gather(input, nullptr);
  SUBSET_ASSIGN_OR_RETURN(SampleSet eligible, EligibleSamples(input));
  return PopulationOf(input, std::move(eligible));
}

absl::StatusOr<Population> PopulationOf(const PlanInput& input, SampleSet eligible) {
  return Gather(input, std::make_shared<SampleSet>(std::move(eligible)));
}

}  // namespace subset::sampling
