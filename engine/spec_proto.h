// Samplers between the API's messages and the sampling room's data.

#ifndef SUBSET_ENGINE_SPEC_PROTO_H_
#define SUBSET_ENGINE_SPEC_PROTO_H_

#include "absl/status/statusor.h"
#include "sampling/plan.h"
#include "sampling/spec.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Returns the resolved spec of what the client gave. Fails with kInvalidArgument naming the field
// under "spec": a value outside its range, or an enum value this version does not know.
absl::StatusOr<sampling::SamplerSpec> SpecFromProto(const v1::SamplerSpec& proto);

// Returns the resolved spec of a preset. Fails with kInvalidArgument naming the field under
// "preset": an unknown preset or parameter, a missing one, or a value outside its range.
absl::StatusOr<sampling::SamplerSpec> SpecFromPreset(const v1::PresetChoice& choice);

// Returns every choice written out; `spec` is resolved.
v1::SamplerSpec SpecToProto(const sampling::SamplerSpec& spec);

// The table of presets.
v1::ListPresetsResponse PresetsToProto();

v1::ProbabilityKind ProbabilityKindToProto(sampling::ProbabilityKind kind);
v1::UnbiasedOver UnbiasedOverToProto(sampling::UnbiasedOver unbiased_over);

}  // namespace subset

#endif  // SUBSET_ENGINE_SPEC_PROTO_H_
