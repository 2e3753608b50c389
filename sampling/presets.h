// The field's names for samplers, as data: each fills in a SamplerSpec. Code exists for choices
// only.

#ifndef SUBSET_SAMPLING_PRESETS_H_
#define SUBSET_SAMPLING_PRESETS_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "sampling/spec.h"

namespace subset::sampling {

struct PresetParameter {
  const char* name;
  std::optional<double> default_value;  // nullopt: required
  const char* range;                    // for people
  const char* description;
  void (*set)(SamplerSpec& spec, double value);
  bool (*accepts)(double value);  // null: ResolveSpec knows the range
};

struct Preset {
  const char* name;
  const char* source;  // the paper, or "standard"
  const char* formula;
  const char* unbiased_for;
  SamplerSpec spec;
  absl::Span<const PresetParameter> parameters;
};

// All presets by name.
absl::Span<const Preset> Presets();

// Returns the resolved spec of preset `name` with `parameters`. `column` (empty: "label") is used
// as the column of proportion where the preset needs one. Returns kInvalidArgument for an unknown
// preset (field "preset.name") or parameter (both with the nearest known name), a missing one, or a
// value out of range (field "preset.parameters[NAME]").
absl::StatusOr<SamplerSpec> PresetSpec(absl::string_view name,
                                       const std::map<std::string, double>& parameters,
                                       absl::string_view column);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PRESETS_H_
