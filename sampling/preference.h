// What is preferred inside a stratum: the value v_i >= 0 of each sample.
//
// Kinds that choose a set (band, self_paced) have the values 0 and 1 where they are not soft.
// Ranks, largest values and sums are those of the stratum; what the kinds mean is in
// proto/subset/v1/preference.proto.

#ifndef SUBSET_SAMPLING_PREFERENCE_H_
#define SUBSET_SAMPLING_PREFERENCE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// By slot of the population. Each stratum has a scale of its own, on which its largest value is at
// most 1; a positive value never becomes 0.
struct PreferenceValues {
  std::vector<double> values;
  bool all_alike = false;  // nothing is scored, or no score is positive where it must be
};

// O(N), in parts by input.executor. Not for below_mean_pruning, which has cells in place of values.
PreferenceValues ValuesOf(const PlanInput& input, const Population& population);

// Returns the samples that a band or a hard self_paced threshold chooses; all of them where it
// chooses none. Unscored samples are chosen where guard.unscored is KEEP. O(N).
SampleSet ChosenSamples(const PlanInput& input, const Population& population);

// Returns the probability, by slot, with which keep_probability keeps a sample:
// max(least, percentile^beta), percentile = (#less + #equal / 2) / #scored among the scored of the
// population; 1 where unscored and guard.unscored is KEEP. O(N), in parts.
std::vector<double> KeepProbabilities(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PREFERENCE_H_
