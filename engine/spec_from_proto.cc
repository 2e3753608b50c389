// Reading samplers: what the client gave becomes a resolved spec. Numbers are copied as they are;
// their ranges are the sampling room's to check.

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/select_rule_proto.h"
#include "engine/spec_enums.h"
#include "engine/spec_proto.h"
#include "sampling/presets.h"

namespace subset {
namespace {

// The sampling room names fields from the spec on; the client sees the whole path.
absl::Status Under(absl::string_view parent, const absl::Status& status) {
  const std::optional<std::string> field = ErrorField(status);
  if (!field.has_value()) return status;
  absl::Status moved(status.code(), absl::StrCat(parent, ".", status.message()));
  moved = WithField(std::move(moved), absl::StrCat(parent, ".", *field));
  return WithReason(std::move(moved), ErrorReason(status).value_or("INVALID_FIELD"));
}

// A field that only `owner` reads must not be set without it: nothing given is ignored.
absl::Status OnlyWith(absl::string_view owner, bool owned, absl::string_view field, bool set) {
  if (owned || !set) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("is set, but only ", owner, " reads it"));
}

absl::Status ReadPredicate(const v1::Predicate& proto, const std::string& path,
                           sampling::Predicate* predicate) {
  using Kind = sampling::Predicate::Kind;
  switch (proto.of_case()) {
    case v1::Predicate::kColumn:
      predicate->column = proto.column();
      SUBSET_RETURN_IF_ERROR(ValidateName(absl::StrCat(path, ".column"), predicate->column));
      break;
    case v1::Predicate::kScore:
      predicate->score = proto.score();
      SUBSET_RETURN_IF_ERROR(ValidateName(absl::StrCat(path, ".score"), predicate->score));
      break;
    case v1::Predicate::OF_NOT_SET:
      return InvalidField(absl::StrCat(path, ".column"), "is not set: either column or score");
  }
  switch (proto.test_case()) {
    case v1::Predicate::kIn:
      predicate->kind = Kind::kIn;
      predicate->values.assign(proto.in().values().begin(), proto.in().values().end());
      break;
    case v1::Predicate::kNotIn:
      predicate->kind = Kind::kNotIn;
      predicate->values.assign(proto.not_in().values().begin(), proto.not_in().values().end());
      break;
    case v1::Predicate::kAnyOf:
      predicate->kind = Kind::kAnyOf;
      predicate->values.assign(proto.any_of().values().begin(), proto.any_of().values().end());
      break;
    case v1::Predicate::kAllOf:
      predicate->kind = Kind::kAllOf;
      predicate->values.assign(proto.all_of().values().begin(), proto.all_of().values().end());
      break;
    case v1::Predicate::kNoneOf:
      predicate->kind = Kind::kNoneOf;
      predicate->values.assign(proto.none_of().values().begin(), proto.none_of().values().end());
      break;
    case v1::Predicate::kRange:
      predicate->kind = Kind::kRange;
      if (proto.range().has_minimum()) predicate->minimum = proto.range().minimum();
      if (proto.range().has_maximum()) predicate->maximum = proto.range().maximum();
      break;
    case v1::Predicate::kQuantile:
      predicate->kind = Kind::kQuantile;
      predicate->low = proto.quantile().low();
      if (proto.quantile().has_high()) predicate->high = proto.quantile().high();
      break;
    case v1::Predicate::TEST_NOT_SET:
      return InvalidField(
          absl::StrCat(path, ".test"),
          "is not set: one of in, not_in, range, quantile, any_of, all_of and none_of");
  }
  predicate->within = proto.within();
  predicate->minimum_keep = proto.minimum_keep();
  return ReadEnum(absl::StrCat(path, ".missing"), proto.missing(), kMissing, &predicate->missing);
}

absl::Status ReadEligible(const v1::Eligible& proto, sampling::Eligible* eligible) {
  for (int i = 0; i < proto.all_size(); ++i) {
    SUBSET_RETURN_IF_ERROR(ReadPredicate(proto.all(i), absl::StrCat("spec.eligible.all[", i, "]"),
                                         &eligible->all.emplace_back()));
  }
  return absl::OkStatus();
}

// The inverse of a temperature.
absl::Status ReadExponent(const v1::Proportion& proto, const std::string& path,
                          sampling::Proportion* proportion) {
  const std::string field = absl::StrCat(path, ".exponent");
  SUBSET_RETURN_IF_ERROR(OnlyWith(
      "TEMPERATURE", proportion->kind == sampling::Proportion::Kind::kTemperature, field, true));
  if (proto.temperature() != 0) {
    return InvalidField(field, "is set beside temperature, whose inverse it is");
  }
  constexpr double kMaxExponent = 1e6;
  if (!(proto.exponent() > 0 && proto.exponent() <= kMaxExponent)) {
    return InvalidField(field, absl::StrCat(proto.exponent(), " is outside (0, 1e6]"));
  }
  proportion->temperature = 1 / proto.exponent();
  return absl::OkStatus();
}

absl::Status ReadProportion(const v1::Proportion& proto, const std::string& path,
                            sampling::Proportion* proportion) {
  using Kind = sampling::Proportion::Kind;
  SUBSET_RETURN_IF_ERROR(
      ReadEnum(absl::StrCat(path, ".kind"), proto.kind(), kProportionKinds, &proportion->kind));
  proportion->column = proto.column();
  proportion->size_column = proto.size_column();
  proportion->exact_quotas = proto.exact_quotas();
  proportion->shares.insert(proto.shares().begin(), proto.shares().end());
  const auto read = [&](const char* name, double value, std::initializer_list<Kind> kinds,
                        const char* owner, double* number) {
    const bool owned = std::find(kinds.begin(), kinds.end(), proportion->kind) != kinds.end();
    if (owned) *number = value;
    return OnlyWith(owner, owned, absl::StrCat(path, ".", name), value != 0);
  };
  SUBSET_RETURN_IF_ERROR(OnlyWith("EXPLICIT", proportion->kind == Kind::kExplicit,
                                  absl::StrCat(path, ".shares"), !proto.shares().empty()));
  SUBSET_RETURN_IF_ERROR(read("temperature", proto.temperature(), {Kind::kTemperature},
                              "TEMPERATURE", &proportion->temperature));
  if (proto.exponent() != 0) {
    SUBSET_RETURN_IF_ERROR(ReadExponent(proto, path, proportion));
  }
  proportion->effective_by_stratum = proto.effective_by_stratum();
  SUBSET_RETURN_IF_ERROR(OnlyWith("EFFECTIVE_NUMBER", proportion->kind == Kind::kEffectiveNumber,
                                  absl::StrCat(path, ".effective_by_stratum"),
                                  proto.effective_by_stratum()));
  SUBSET_RETURN_IF_ERROR(read("effective_beta", proto.effective_beta(), {Kind::kEffectiveNumber},
                              "EFFECTIVE_NUMBER", &proportion->effective_beta));
  SUBSET_RETURN_IF_ERROR(
      read("max_epochs", proto.max_epochs(), {Kind::kUnimax}, "UNIMAX", &proportion->max_epochs));
  SUBSET_RETURN_IF_ERROR(read("eta", proto.eta(), {Kind::kGroupDro, Kind::kDoremi},
                              "GROUP_DRO or DOREMI", &proportion->eta));
  SUBSET_RETURN_IF_ERROR(
      read("epsilon", proto.epsilon(), {Kind::kDoremi}, "DOREMI", &proportion->epsilon));
  SUBSET_RETURN_IF_ERROR(read("adjustment", proto.adjustment(), {Kind::kGroupDro}, "GROUP_DRO",
                              &proportion->adjustment));
  if (!proto.has_within()) return absl::OkStatus();
  if (proto.within().has_within()) {
    return InvalidField(absl::StrCat(path, ".within.within"), "is set: strata nest once");
  }
  auto within = std::make_shared<sampling::Proportion>();
  SUBSET_RETURN_IF_ERROR(
      ReadProportion(proto.within(), absl::StrCat(path, ".within"), within.get()));
  proportion->within = std::move(within);
  return absl::OkStatus();
}

absl::Status ReadPreferenceKind(const v1::Preference& proto, sampling::Preference* preference) {
  using Kind = sampling::Preference::Kind;
  switch (proto.kind_case()) {
    case v1::Preference::KIND_NOT_SET:
    case v1::Preference::kUniform:
      preference->kind = Kind::kUniform;
      return absl::OkStatus();
    case v1::Preference::kScorePower:
      preference->kind = Kind::kScorePower;
      preference->score = proto.score_power().score();
      preference->alpha = proto.score_power().alpha();
      return absl::OkStatus();
    case v1::Preference::kBelowMeanPruning: {
      const auto& pruning = proto.below_mean_pruning();
      preference->kind = Kind::kBelowMeanPruning;
      preference->score = pruning.score();
      preference->ratio = pruning.ratio();
      preference->delta = pruning.delta();
      preference->total_epochs = pruning.total_epochs();
      preference->per_stratum = pruning.per_stratum();
      return ReadEnum("spec.preference.below_mean_pruning.scale", pruning.scale(), kPruningScales,
                      &preference->scale);
    }
    case v1::Preference::kRank:
      preference->kind = Kind::kRank;
      preference->score = proto.rank().score();
      SUBSET_RETURN_IF_ERROR(
          ReadEnum("spec.preference.rank.law", proto.rank().law(), kRankLaws, &preference->law));
      if (preference->law == sampling::Preference::Law::kPower) {
        preference->alpha = proto.rank().alpha();
        return OnlyWith("EXPONENTIAL", false, "spec.preference.rank.pressure",
                        proto.rank().pressure() != 0);
      }
      preference->pressure = proto.rank().pressure();
      return OnlyWith("POWER", false, "spec.preference.rank.alpha", proto.rank().alpha() != 0);
    case v1::Preference::kSoftmax:
      preference->kind = Kind::kSoftmax;
      preference->score = proto.softmax().score();
      preference->temperature = proto.softmax().temperature();
      return absl::OkStatus();
    case v1::Preference::kBand:
      preference->kind = Kind::kBand;
      preference->score = proto.band().score();
      preference->smallest = proto.band().smallest();
      preference->skip = proto.band().skip();
      preference->keep = proto.band().keep();
      preference->per_stratum = proto.band().per_stratum();
      return absl::OkStatus();
    case v1::Preference::kKeepProbability:
      preference->kind = Kind::kKeepProbability;
      preference->score = proto.keep_probability().score();
      preference->beta = proto.keep_probability().beta();
      preference->least = proto.keep_probability().least();
      return absl::OkStatus();
    case v1::Preference::kSelfPaced:
      preference->kind = Kind::kSelfPaced;
      preference->score = proto.self_paced().score();
      preference->threshold = proto.self_paced().threshold();
      preference->soft = proto.self_paced().soft();
      return absl::OkStatus();
    case v1::Preference::kRecency:
      preference->kind = Kind::kRecency;
      preference->half_life = proto.recency().half_life();
      if (proto.recency().has_now()) preference->now = proto.recency().now();
      return absl::OkStatus();
    case v1::Preference::kRepeatFactor:
      preference->kind = Kind::kRepeatFactor;
      preference->threshold = proto.repeat_factor().threshold();
      return absl::OkStatus();
  }
  return InvalidField("spec.preference.kind", "is not known to this version");
}

absl::Status ReadPreference(const v1::Preference& proto, sampling::Preference* preference) {
  preference->column = proto.column();
  preference->irreducible = proto.irreducible();
  SUBSET_RETURN_IF_ERROR(OnlyWith("an irreducible loss", !proto.irreducible().empty(),
                                  "spec.preference.missing_irreducible",
                                  proto.missing_irreducible() != 0));
  SUBSET_RETURN_IF_ERROR(ReadEnum("spec.preference.missing_irreducible",
                                  proto.missing_irreducible(), kMissingIrreducible,
                                  &preference->missing_irreducible));
  return ReadPreferenceKind(proto, preference);
}

absl::Status ReadDraw(const v1::Draw& proto, sampling::Draw* draw) {
  using Kind = sampling::Draw::Kind;
  SUBSET_RETURN_IF_ERROR(ReadEnum("spec.draw.kind", proto.kind(), kDrawKinds, &draw->kind));
  draw->fraction = proto.fraction();
  draw->jittered = proto.jittered();
  SUBSET_RETURN_IF_ERROR(OnlyWith("BOOTSTRAP", draw->kind == Kind::kBootstrap,
                                  "spec.draw.bootstrap", proto.has_bootstrap()));
  SUBSET_RETURN_IF_ERROR(
      OnlyWith("BLOCKS", draw->kind == Kind::kBlocks, "spec.draw.blocks", proto.has_blocks()));
  SUBSET_RETURN_IF_ERROR(ReadEnum("spec.draw.bootstrap.form", proto.bootstrap().form(),
                                  kBootstrapForms, &draw->bootstrap));
  draw->bag = proto.bootstrap().bag();
  SUBSET_RETURN_IF_ERROR(
      ReadEnum("spec.draw.blocks.form", proto.blocks().form(), kBlockForms, &draw->blocks));
  draw->block_column = proto.blocks().column();
  draw->block_length = proto.blocks().length();
  draw->block_gap = proto.blocks().gap();
  return absl::OkStatus();
}

absl::Status ReadGuard(const v1::Guard& proto, sampling::Guard* guard) {
  guard->uniform_floor = proto.uniform_floor();
  guard->unscored_prior = proto.unscored_prior();
  guard->floor_by_target = proto.floor_by_target();
  guard->refresh = proto.refresh();
  // A refresh that a schedule sets stands at 0 here.
  if (proto.refresh() != 0 || proto.stale_fraction() != 0) {
    guard->stale_fraction = proto.stale_fraction();
  }
  guard->max_repeats = proto.max_repeats();
  return ReadEnum("spec.guard.unscored", proto.unscored(), kUnscored, &guard->unscored);
}

absl::Status ReadWeight(const v1::Weight& proto, sampling::Weight* weight) {
  if (proto.has_beta()) weight->beta = proto.beta();
  weight->clip = proto.clip();
  SUBSET_RETURN_IF_ERROR(
      ReadEnum("spec.weight.normalise", proto.normalise(), kNormalise, &weight->normalise));
  return ReadEnum("spec.weight.target", proto.target(), kTargets, &weight->target);
}

absl::Status ReadSchedule(const v1::Schedule& proto, const std::string& path,
                          sampling::Schedule* schedule) {
  SUBSET_RETURN_IF_ERROR(
      ReadEnum(absl::StrCat(path, ".unit"), proto.unit(), kUnits, &schedule->unit));
  for (int i = 0; i < proto.points_size(); ++i) {
    sampling::Schedule::Point& point = schedule->points.emplace_back();
    point.at = proto.points(i).at();
    point.value = proto.points(i).value();
    SUBSET_RETURN_IF_ERROR(ReadEnum(absl::StrCat(path, ".points[", i, "].curve"),
                                    proto.points(i).curve(), kCurves, &point.curve));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<sampling::SamplerSpec> SpecFromProto(const v1::SamplerSpec& proto) {
  sampling::SamplerSpec spec;
  SUBSET_RETURN_IF_ERROR(ReadEligible(proto.eligible(), &spec.eligible));
  SUBSET_RETURN_IF_ERROR(ReadProportion(proto.proportion(), "spec.proportion", &spec.proportion));
  SUBSET_RETURN_IF_ERROR(ReadPreference(proto.preference(), &spec.preference));
  SUBSET_RETURN_IF_ERROR(ReadDraw(proto.draw(), &spec.draw));
  SUBSET_RETURN_IF_ERROR(ReadGuard(proto.guard(), &spec.guard));
  SUBSET_RETURN_IF_ERROR(ReadWeight(proto.weight(), &spec.weight));
  SUBSET_RETURN_IF_ERROR(ReadEnum("spec.snapshot", proto.snapshot(), kSnapshots, &spec.snapshot));
  spec.snapshot_every = proto.snapshot_every();
  for (const auto& [path, schedule] : proto.schedules()) {
    SUBSET_RETURN_IF_ERROR(
        ReadSchedule(schedule, absl::StrCat("spec.schedules[", path, "]"), &spec.schedules[path]));
  }
  if (proto.has_select()) {
    SUBSET_RETURN_IF_ERROR(ReadSelectRule(proto.select(), "spec.select", &spec.select.emplace()));
  }
  const absl::Status resolved = sampling::ResolveSpec(&spec);
  if (!resolved.ok()) return Under("spec", resolved);
  return spec;
}

absl::StatusOr<sampling::SamplerSpec> SpecFromPreset(const v1::PresetChoice& choice) {
  const std::map<std::string, double> parameters(choice.parameters().begin(),
                                                 choice.parameters().end());
  std::map<std::string, std::string> columns(choice.columns().begin(), choice.columns().end());
  if (!choice.column().empty()) columns[""] = choice.column();
  return sampling::PresetSpec(choice.name(), parameters, columns);
}

}  // namespace subset
