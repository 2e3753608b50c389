// Which samples may be drawn at all: the first of the six choices.

#ifndef SUBSET_SAMPLING_ELIGIBLE_H_
#define SUBSET_SAMPLING_ELIGIBLE_H_

#include "absl/status/statusor.h"
#include "sampling/plan.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// What a predicate compares of a reported score: the score, or of a packed forgetting state
// (forgetting.h) the number of events.
double TestedScore(const Predicate& predicate, float reported);

// Whether the spec may leave samples out.
bool HasFilter(const SamplerSpec& spec);
// Whether what it leaves out depends on reported scores.
bool FilterReadsScores(const SamplerSpec& spec);
// Whether it depends on the seed: by ties of quantiles.
bool FilterReadsSeed(const SamplerSpec& spec);

// Returns the samples that pass every predicate, and that have an irreducible loss where the
// preference excludes those without. Each predicate looks at every sample, whatever the others say,
// so that their order does not matter. Bounds are rounded to the type of the column, as its values
// were: a float32 0.9 is not below 0.9.
//
// Ties of ranks go by a hash of the index under the seed alone, so that a rising quantile only
// takes samples away.
//
// A pass over the columns involved for each predicate; a few where it goes by rank. Returns
// kInvalidArgument naming the predicate where a column is not there or is of the wrong type.
absl::StatusOr<SampleSet> EligibleSamples(const PlanInput& input);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_ELIGIBLE_H_
