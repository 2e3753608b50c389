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

// A column that the preset reads, by its role.
struct PresetColumn {
  const char* name;            // the role, such as "strata"
  const char* path;            // of the field of the spec that it sets, but for a kind in between
  const char* default_column;  // empty: none
  const char* description;
  void (*set)(SamplerSpec& spec, const std::string& column);
};

struct Preset {
  const char* name;
  const char* source;  // the paper, or "standard"
  const char* formula;
  const char* unbiased_for;
  SamplerSpec spec;
  absl::Span<const PresetParameter> parameters;
  absl::Span<const PresetColumn> columns;
};

// All presets by name.
absl::Span<const Preset> Presets();

// Returns the resolved spec of preset `name` with `parameters` and `columns`, by role; the role ""
// means the preset's first. Those left out take their defaults. Returns kInvalidArgument for an
// unknown preset (field "preset.name"), parameter or role (all with the nearest known name), a
// missing parameter, or a value out of range (field "preset.parameters[NAME]",
// "preset.columns[ROLE]").
absl::StatusOr<SamplerSpec> PresetSpec(absl::string_view name,
                                       const std::map<std::string, double>& parameters,
                                       const std::map<std::string, std::string>& columns);

// Returns the field of a choice of `preset` that says what column the field `path` of its spec is:
// "preset.columns[ROLE]", or "preset.column" for the first role where that was given; "preset"
// where none does.
std::string PresetColumnField(absl::string_view preset, absl::string_view path, bool column_given);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PRESETS_H_
