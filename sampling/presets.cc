#include "sampling/presets.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace subset::sampling {
namespace {

constexpr char kDefaultColumn[] = "label";

void SetFraction(SamplerSpec& spec, double value) { spec.draw.fraction = value; }
bool IsFraction(double value) { return value > 0 && value <= 1; }  // 0 is not "unset" here

void SetEpochs(SamplerSpec& spec, double value) {
  spec.preference.total_epochs = static_cast<uint32_t>(value);
}
bool IsEpochCount(double value) {
  return value >= 1 && value < 2147483648.0 && value == std::floor(value);
}

void SetLive(SamplerSpec& spec, double value) {
  spec.snapshot = value == 1 ? Snapshot::kLive : Snapshot::kEpoch;
}
bool IsFlag(double value) { return value == 0 || value == 1; }

constexpr PresetParameter kFraction = {
    "fraction", 1.0, "(0, 1]", "length of an epoch, share of N", SetFraction, IsFraction};

constexpr PresetParameter kUniformParameters[] = {kFraction};

constexpr PresetParameter kClassBalancedParameters[] = {kFraction};

constexpr PresetParameter kImportanceParameters[] = {
    {"alpha", 1.0, "(0, 16]", "exponent of the score",
     [](SamplerSpec& spec, double value) { spec.preference.alpha = value; }, nullptr},
    {"uniform_floor", 0.1, "[0, 1]",
     "lambda: share of draws that are uniform; no weight is above "
     "1 / lambda",
     [](SamplerSpec& spec, double value) { spec.guard.uniform_floor = value; }, nullptr},
    {"beta", 1.0, "[0, 1]", "exponent of the weights; below 1 they are biased",
     [](SamplerSpec& spec, double value) { spec.weight.beta = value; }, nullptr},
    kFraction,
    {"live", 0.0, "{0, 1}", "1: the newest scores for each batch; 0: those of the epoch's start",
     SetLive, IsFlag},
};

constexpr PresetParameter kInfoBatchParameters[] = {
    {"ratio", 0.5, "(0, 1)", "r: share of the samples below the mean that is pruned",
     [](SamplerSpec& spec, double value) { spec.preference.ratio = value; }, nullptr},
    {"delta", 0.875, "(0, 1]", "share of the epochs that prune; the last ones draw everything",
     [](SamplerSpec& spec, double value) { spec.preference.delta = value; }, nullptr},
    {"total_epochs", std::nullopt, "[1, 2^31), whole", "T: epochs of the whole training", SetEpochs,
     IsEpochCount},
};

SamplerSpec WithPreference(Preference::Kind kind) {
  SamplerSpec spec;
  spec.preference.kind = kind;
  return spec;
}

SamplerSpec EqualShares() {
  SamplerSpec spec;
  spec.proportion.kind = Proportion::Kind::kEqual;
  return spec;
}

template <typename Known>
std::vector<absl::string_view> NamesOf(absl::Span<const Known> known) {
  std::vector<absl::string_view> names;
  for (const Known& entry : known) names.push_back(entry.name);
  return names;
}

std::string ParameterField(absl::string_view name) {
  return absl::StrCat("preset.parameters[", name.substr(0, 64), "]");
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

}  // namespace

absl::Span<const Preset> Presets() {
  static const auto* const presets = new std::vector<Preset>{
      {"class_balanced", "standard", "p_g = 1/C; mu_i = m_g/n_g; w_i = M/(C m_g)",
       "the mean over classes", EqualShares(), kClassBalancedParameters},
      {"importance", "Katharopoulos & Fleuret 2018; floor: Owen & Zhou 2000",
       "q_i = (1-lambda) s_i^alpha/sum s^alpha + lambda/N; w_i = (1/(N q_i))^beta",
       "the mean over samples (beta = 1)", WithPreference(Preference::Kind::kScorePower),
       kImportanceParameters},
      {"infobatch", "Qin et al., InfoBatch, ICLR 2024",
       "prune share r of {s_i < mean s}; w_i = |L|/kept there, 1 elsewhere",
       "the sum over samples, over an epoch", WithPreference(Preference::Kind::kBelowMeanPruning),
       kInfoBatchParameters},
      {"uniform", "standard", "pi_i = M/N; w_i = 1", "the mean over samples", SamplerSpec{},
       kUniformParameters},
  };
  return *presets;
}

absl::StatusOr<SamplerSpec> PresetSpec(absl::string_view name,
                                       const std::map<std::string, double>& parameters,
                                       absl::string_view column) {
  const auto preset = std::find_if(Presets().begin(), Presets().end(),
                                   [&](const Preset& known) { return name == known.name; });
  if (preset == Presets().end()) {
    return InvalidField("preset.name", UnknownName("preset", name, NamesOf(Presets())));
  }
  SamplerSpec spec = preset->spec;
  for (const auto& [given, value] : parameters) {
    const auto known = [&given = given](const PresetParameter& p) { return given == p.name; };
    if (std::none_of(preset->parameters.begin(), preset->parameters.end(), known)) {
      return InvalidField(ParameterField(given), UnknownName(absl::StrCat("parameter of ", name),
                                                             given, NamesOf(preset->parameters)));
    }
  }
  for (const PresetParameter& parameter : preset->parameters) {
    const auto given = parameters.find(parameter.name);
    SUBSET_RETURN_IF_ERROR(SetParameter(
        parameter, given == parameters.end() ? std::nullopt : std::optional<double>(given->second),
        name, &spec));
  }
  if (spec.proportion.kind == Proportion::Kind::kEqual) {
    spec.proportion.column = std::string(column.empty() ? kDefaultColumn : column);
  }

  const absl::Status resolved = ResolveSpec(&spec);
  if (resolved.ok()) return spec;
  // The caller set a parameter, not the field it stands for.
  const std::string path = ErrorField(resolved).value_or("");
  std::string field = path == "proportion.column" ? "preset.column" : "";
  for (const PresetParameter& parameter : preset->parameters) {
    if (absl::EndsWith(path, absl::StrCat(".", parameter.name))) {
      field = ParameterField(parameter.name);
    }
  }
  if (field.empty()) return resolved;
  absl::string_view message = resolved.message();
  absl::ConsumePrefix(&message, absl::StrCat(path, " "));
  return InvalidField(field, message);
}

}  // namespace subset::sampling
