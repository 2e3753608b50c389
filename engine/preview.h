// What an epoch would be drawn from, and why a sample would be drawn or not: read off its plan, as
// it would be built.

#ifndef SUBSET_ENGINE_PREVIEW_H_
#define SUBSET_ENGINE_PREVIEW_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/plan.h"
#include "subset/v1/sampler.pb.h"

namespace subset {

// Returns kInvalidArgument naming "coverage_epochs".
absl::Status CheckCoverageEpochs(absl::Span<const uint32_t> epochs);

// Fills in everything but the versions. `mean_learned_shares`: by stratum of the input, or empty.
// Fails as BuildPlan. O(N + positions).
absl::StatusOr<v1::PreviewSamplerResponse> Preview(sampling::PlanInput input,
                                                   absl::Span<const uint32_t> coverage_epochs,
                                                   absl::Span<const double> mean_learned_shares);

// Fills in everything but the versions. Fails as BuildPlan; kInvalidArgument naming "index".
// O(N + positions).
absl::StatusOr<v1::ExplainSampleResponse> Explain(sampling::PlanInput input, uint64_t index);

// Bytes that each of the two takes beside the plan.
uint64_t PreviewBytes(uint64_t num_samples);

}  // namespace subset

#endif  // SUBSET_ENGINE_PREVIEW_H_
