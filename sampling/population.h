// The samples that may be drawn, by stratum: what is left of a dataset after the filter.

#ifndef SUBSET_SAMPLING_POPULATION_H_
#define SUBSET_SAMPLING_POPULATION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sampling/columns.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

struct PlanInput;
struct SamplerSpec;

// Immutable; a copy shares the samples. Slots are 0 .. size()-1, stratum after stratum.
struct Population {
  uint64_t num_samples = 0;  // of the dataset
  // Members: eligible samples only; no stratum is empty. Null: every sample, one stratum.
  std::shared_ptr<const Strata> strata;
  std::shared_ptr<const SampleSet> eligible = nullptr;  // their set; null: every sample

  uint64_t size() const { return strata == nullptr ? num_samples : strata->members.size(); }
  size_t num_strata() const { return strata == nullptr ? 1 : strata->values.size(); }
  uint64_t first(size_t g) const { return strata == nullptr ? 0 : strata->offsets[g]; }
  uint64_t count(size_t g) const { return strata == nullptr ? num_samples : strata->count(g); }
  uint32_t sample(uint64_t slot) const {
    return strata == nullptr ? static_cast<uint32_t>(slot) : strata->members[slot];
  }
};

// Whether plans of a resolved spec take input.strata. Nested strata are made of the columns, and
// then only learned shares go by the outer ones.
bool ReadsStrata(const SamplerSpec& spec);

// Returns input.population where it is given; else the eligible samples by the strata of
// spec.proportion, nested where the spec nests. Without a filter the samples of input.strata are
// shared. Cost: that of EligibleSamples and a pass over the members, or of BuildNestedStrata.
//
// Returns kFailedPrecondition with the reason NOTHING_TO_DRAW where nothing is eligible, or
// explicit shares give what is left nothing; kInvalidArgument naming a column that is not there, is
// of the wrong type, or makes too many strata.
absl::StatusOr<Population> BuildPopulation(const PlanInput& input);

// The same where `eligible` are known to be the samples that pass the filter.
absl::StatusOr<Population> PopulationOf(const PlanInput& input, SampleSet eligible);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_POPULATION_H_
