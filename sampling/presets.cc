#include "sampling/presets.h"

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace subset::sampling {
namespace {

template <typename Known>
std::vector<absl::string_view> NamesOf(absl::Span<const Known> known) {
  std::vector<absl::string_view> names;
  for (const Known& entry : known) names.push_back(entry.name);
  return names;
}

std::string ParameterField(absl::string_view name) {
  return absl::StrCat("preset.parameters[", name.substr(0, 64), "]");
}

std::string ColumnField(absl::string_view role) {
  return absl::StrCat("preset.columns[", role.substr(0, 64), "]");
}

absl::Status SetParameter(const PresetParameter& parameter, std::optional<double> given,
                          absl::string_view preset, SamplerSpec* spec) {
  const std::optional<double> value = given.has_value() ? given : parameter.default_value;
  if (!value.has_value()) {
    return InvalidField(ParameterField(parameter.name),
                        absl::StrCat("is missing: ", preset, " needs it, in ", parameter.range));
  }
  if (parameter.accepts != nullptr && !parameter.accepts(*value)) {
    return InvalidField(ParameterField(parameter.name),
                        absl::StrCat(*value, " is outside ", parameter.range));
  }
  parameter.set(*spec, *value);
  return absl::OkStatus();
}

absl::Status SetParameters(const Preset& preset, const std::map<std::string, double>& parameters,
                           SamplerSpec* spec) {
  for (const auto& [given, value] : parameters) {
    const auto known = [&given = given](const PresetParameter& p) { return given == p.name; };
    if (std::none_of(preset.parameters.begin(), preset.parameters.end(), known)) {
      return InvalidField(ParameterField(given),
                          UnknownName(absl::StrCat("parameter of ", preset.name), given,
                                      NamesOf(preset.parameters)));
    }
  }
  for (const PresetParameter& parameter : preset.parameters) {
    const auto given = parameters.find(parameter.name);
    SUBSET_RETURN_IF_ERROR(SetParameter(
        parameter, given == parameters.end() ? std::nullopt : std::optional<double>(given->second),
        preset.name, spec));
  }
  return absl::OkStatus();
}

absl::Status SetColumns(const Preset& preset, const std::map<std::string, std::string>& columns,
                        SamplerSpec* spec) {
  for (const PresetColumn& column : preset.columns) column.set(*spec, column.default_column);
  for (const auto& [role, column] : columns) {
    const auto known = std::find_if(
        preset.columns.begin(), preset.columns.end(),
        [&role = role](const PresetColumn& c) { return role.empty() || role == c.name; });
    if (known != preset.columns.end()) {
      known->set(*spec, column);
    } else if (preset.columns.empty()) {
      return InvalidField(ColumnField(role),
                          absl::StrCat("is set, but ", preset.name, " reads no column"));
    } else {
      return InvalidField(ColumnField(role), UnknownName(absl::StrCat("column of ", preset.name),
                                                         role, NamesOf(preset.columns)));
    }
  }
  return absl::OkStatus();
}

// Whether the column sets that field. Scores lie in the message of a kind, which the column does
// not know: preference.score_power.score, preference.band.score.
bool IsOf(absl::string_view path, const PresetColumn& column) {
  const absl::string_view own = column.path;
  return path.substr(0, path.find('.')) == own.substr(0, own.find('.')) &&
         path.substr(path.rfind('.') + 1) == own.substr(own.rfind('.') + 1);
}

// The caller set a parameter or a column, not the field it stands for.
absl::Status InCallersWords(const Preset& preset, const absl::Status& status) {
  const std::string path = ErrorField(status).value_or("");
  std::string field;
  for (const PresetParameter& parameter : preset.parameters) {
    if (absl::EndsWith(path, absl::StrCat(".", parameter.name))) {
      field = ParameterField(parameter.name);
    }
  }
  for (const PresetColumn& column : preset.columns) {
    if (IsOf(path, column)) field = ColumnField(column.name);
  }
  if (field.empty()) return status;
  absl::string_view message = status.message();
  absl::ConsumePrefix(&message, absl::StrCat(path, " "));
  return InvalidField(field, message);
}

const Preset* FindPreset(absl::string_view name) {
  const auto preset = std::find_if(Presets().begin(), Presets().end(),
                                   [name](const Preset& known) { return name == known.name; });
  return preset == Presets().end() ? nullptr : &*preset;
}

}  // namespace

absl::StatusOr<SamplerSpec> PresetSpec(absl::string_view name,
                                       const std::map<std::string, double>& parameters,
                                       const std::map<std::string, std::string>& columns) {
  const Preset* const preset = FindPreset(name);
  if (preset == nullptr) {
    return InvalidField("preset.name", UnknownName("preset", name, NamesOf(Presets())));
  }
  SamplerSpec spec = preset->spec;
  SUBSET_RETURN_IF_ERROR(SetColumns(*preset, columns, &spec));
  SUBSET_RETURN_IF_ERROR(SetParameters(*preset, parameters, &spec));
  const absl::Status resolved = ResolveSpec(&spec);
  if (resolved.ok()) return spec;
  return InCallersWords(*preset, resolved);
}

std::string PresetColumnField(absl::string_view preset, absl::string_view path, bool column_given) {
  const Preset* const known = FindPreset(preset);
  if (known == nullptr) return "preset";
  for (const PresetColumn& column : known->columns) {
    if (!IsOf(path, column)) continue;
    const bool first = &column == known->columns.begin();
    return first && column_given ? "preset.column" : ColumnField(column.name);
  }
  return "preset";
}

}  // namespace subset::sampling
