#include "engine/spec_proto.h"

#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/presets.h"

namespace subset {
namespace {

using Pruning = v1::Preference::BelowMeanPruning;

absl::Status UnknownValue(absl::string_view field, int value) {
  return InvalidField(field, absl::StrCat(value, " is not a value this version knows"));
}

// The sampling room names fields from the spec on; the client sees the whole path.
absl::Status Under(absl::string_view parent, const absl::Status& status) {
  const std::optional<std::string> field = ErrorField(status);
  if (!field.has_value()) return status;
  absl::Status moved(status.code(), absl::StrCat(parent, ".", status.message()));
  moved = WithField(std::move(moved), absl::StrCat(parent, ".", *field));
  return WithReason(std::move(moved), ErrorReason(status).value_or("INVALID_FIELD"));
}

absl::Status ReadProportion(const v1::Proportion& proto, sampling::Proportion* proportion) {
  switch (proto.kind()) {
    case v1::Proportion::KIND_UNSPECIFIED:
    case v1::Proportion::NATURAL:
      proportion->kind = sampling::Proportion::Kind::kNatural;
      break;
    case v1::Proportion::EQUAL:
      proportion->kind = sampling::Proportion::Kind::kEqual;
      break;
    default:
      return UnknownValue("spec.proportion.kind", proto.kind());
  }
  proportion->column = proto.column();
  return absl::OkStatus();
}

absl::Status ReadPruning(const Pruning& proto, sampling::Preference* preference) {
  preference->kind = sampling::Preference::Kind::kBelowMeanPruning;
  preference->score = proto.score();
  preference->ratio = proto.ratio();
  preference->delta = proto.delta();
  preference->total_epochs = proto.total_epochs();
  preference->per_stratum = proto.per_stratum();
  switch (proto.scale()) {
    case Pruning::SCALE_UNSPECIFIED:
    case Pruning::EPOCH_SUM:
      preference->scale = sampling::Preference::Scale::kEpochSum;
      return absl::OkStatus();
    case Pruning::BATCH_MEAN:
      preference->scale = sampling::Preference::Scale::kBatchMean;
      return absl::OkStatus();
    default:
      return UnknownValue("spec.preference.below_mean_pruning.scale", proto.scale());
  }
}

absl::Status ReadPreference(const v1::Preference& proto, sampling::Preference* preference) {
  switch (proto.kind_case()) {
    case v1::Preference::KIND_NOT_SET:
    case v1::Preference::kUniform:
      preference->kind = sampling::Preference::Kind::kUniform;
      return absl::OkStatus();
    case v1::Preference::kScorePower:
      preference->kind = sampling::Preference::Kind::kScorePower;
      preference->score = proto.score_power().score();
      preference->alpha = proto.score_power().alpha();
      return absl::OkStatus();
    case v1::Preference::kBelowMeanPruning:
      return ReadPruning(proto.below_mean_pruning(), preference);
    default:
      break;
  }
  return UnknownValue("spec.preference.kind", proto.kind_case());
}

absl::Status ReadDraw(const v1::Draw& proto, sampling::Draw* draw) {
  draw->fraction = proto.fraction();
  switch (proto.kind()) {
    case v1::Draw::KIND_UNSPECIFIED:
      draw->kind = sampling::Draw::Kind::kDefault;
      return absl::OkStatus();
    case v1::Draw::EPOCH:
      draw->kind = sampling::Draw::Kind::kEpoch;
      return absl::OkStatus();
    case v1::Draw::WITH_REPLACEMENT:
      draw->kind = sampling::Draw::Kind::kWithReplacement;
      return absl::OkStatus();
    default:
      return UnknownValue("spec.draw.kind", proto.kind());
  }
}

absl::Status ReadGuard(const v1::Guard& proto, sampling::Guard* guard) {
  using Unscored = sampling::Guard::Unscored;
  guard->uniform_floor = proto.uniform_floor();
  guard->unscored_prior = proto.unscored_prior();
  switch (proto.unscored()) {
    case v1::Guard::UNSCORED_UNSPECIFIED:
      guard->unscored = Unscored::kDefault;
      return absl::OkStatus();
    case v1::Guard::MEAN:
      guard->unscored = Unscored::kMean;
      return absl::OkStatus();
    case v1::Guard::MAXIMUM:
      guard->unscored = Unscored::kMaximum;
      return absl::OkStatus();
    case v1::Guard::PRIOR:
      guard->unscored = Unscored::kPrior;
      return absl::OkStatus();
    case v1::Guard::KEEP:
      guard->unscored = Unscored::kKeep;
      return absl::OkStatus();
    default:
      return UnknownValue("spec.guard.unscored", proto.unscored());
  }
}

absl::Status ReadWeight(const v1::Weight& proto, sampling::Weight* weight) {
  using Target = sampling::Weight::Target;
  if (proto.has_beta()) weight->beta = proto.beta();
  switch (proto.target()) {
    case v1::Weight::TARGET_UNSPECIFIED:
      weight->target = Target::kDefault;
      return absl::OkStatus();
    case v1::Weight::NATURAL:
      weight->target = Target::kNatural;
      return absl::OkStatus();
    case v1::Weight::BALANCED:
      weight->target = Target::kBalanced;
      return absl::OkStatus();
    case v1::Weight::NONE:
      weight->target = Target::kNone;
      return absl::OkStatus();
    default:
      return UnknownValue("spec.weight.target", proto.target());
  }
}

absl::Status ReadSnapshot(v1::Snapshot proto, sampling::Snapshot* snapshot) {
  switch (proto) {
    case v1::SNAPSHOT_UNSPECIFIED:
    case v1::SNAPSHOT_EPOCH:
      *snapshot = sampling::Snapshot::kEpoch;
      return absl::OkStatus();
    case v1::SNAPSHOT_LIVE:
      *snapshot = sampling::Snapshot::kLive;
      return absl::OkStatus();
    default:
      return UnknownValue("spec.snapshot", proto);
  }
}

void WritePreference(const sampling::Preference& preference, v1::Preference* proto) {
  switch (preference.kind) {
    case sampling::Preference::Kind::kUniform:
      proto->mutable_uniform();
      return;
    case sampling::Preference::Kind::kScorePower:
      proto->mutable_score_power()->set_score(preference.score);
      proto->mutable_score_power()->set_alpha(preference.alpha);
      return;
    case sampling::Preference::Kind::kBelowMeanPruning: {
      auto* pruning = proto->mutable_below_mean_pruning();
      pruning->set_score(preference.score);
      pruning->set_ratio(preference.ratio);
      pruning->set_delta(preference.delta);
      pruning->set_total_epochs(preference.total_epochs);
      pruning->set_per_stratum(preference.per_stratum);
      pruning->set_scale(preference.scale == sampling::Preference::Scale::kEpochSum
                             ? Pruning::EPOCH_SUM
                             : Pruning::BATCH_MEAN);
      return;
    }
    default:
      return;
  }
}

v1::Guard::Unscored UnscoredToProto(sampling::Guard::Unscored unscored) {
  switch (unscored) {
    case sampling::Guard::Unscored::kDefault:
      return v1::Guard::UNSCORED_UNSPECIFIED;
    case sampling::Guard::Unscored::kMean:
      return v1::Guard::MEAN;
    case sampling::Guard::Unscored::kMaximum:
      return v1::Guard::MAXIMUM;
    case sampling::Guard::Unscored::kPrior:
      return v1::Guard::PRIOR;
    case sampling::Guard::Unscored::kKeep:
      return v1::Guard::KEEP;
  }
  return v1::Guard::UNSCORED_UNSPECIFIED;
}

v1::Weight::Target TargetToProto(sampling::Weight::Target target) {
  switch (target) {
    case sampling::Weight::Target::kDefault:
      return v1::Weight::TARGET_UNSPECIFIED;
    case sampling::Weight::Target::kNatural:
      return v1::Weight::NATURAL;
    case sampling::Weight::Target::kBalanced:
      return v1::Weight::BALANCED;
    case sampling::Weight::Target::kNone:
      return v1::Weight::NONE;
  }
  return v1::Weight::TARGET_UNSPECIFIED;
}

v1::Draw::Kind DrawToProto(sampling::Draw::Kind kind) {
  switch (kind) {
    case sampling::Draw::Kind::kDefault:
      return v1::Draw::KIND_UNSPECIFIED;
    case sampling::Draw::Kind::kEpoch:
      return v1::Draw::EPOCH;
    case sampling::Draw::Kind::kWithReplacement:
      return v1::Draw::WITH_REPLACEMENT;
    default:
      break;
  }
  return v1::Draw::KIND_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<sampling::SamplerSpec> SpecFromProto(const v1::SamplerSpec& proto) {
  sampling::SamplerSpec spec;
  if (proto.has_eligible() || !proto.schedules().empty()) {
    return InvalidField("spec", "has fields this version does not know");
  }
  SUBSET_RETURN_IF_ERROR(ReadProportion(proto.proportion(), &spec.proportion));
  SUBSET_RETURN_IF_ERROR(ReadPreference(proto.preference(), &spec.preference));
  SUBSET_RETURN_IF_ERROR(ReadDraw(proto.draw(), &spec.draw));
  SUBSET_RETURN_IF_ERROR(ReadGuard(proto.guard(), &spec.guard));
  SUBSET_RETURN_IF_ERROR(ReadWeight(proto.weight(), &spec.weight));
  SUBSET_RETURN_IF_ERROR(ReadSnapshot(proto.snapshot(), &spec.snapshot));
  const absl::Status resolved = sampling::ResolveSpec(&spec);
  if (!resolved.ok()) return Under("spec", resolved);
  return spec;
}

absl::StatusOr<sampling::SamplerSpec> SpecFromPreset(const v1::PresetChoice& choice) {
  const std::map<std::string, double> parameters(choice.parameters().begin(),
                                                 choice.parameters().end());
  return sampling::PresetSpec(choice.name(), parameters, choice.column());
}

v1::SamplerSpec SpecToProto(const sampling::SamplerSpec& spec) {
  v1::SamplerSpec proto;
  proto.mutable_proportion()->set_kind(spec.proportion.kind == sampling::Proportion::Kind::kEqual
                                           ? v1::Proportion::EQUAL
                                           : v1::Proportion::NATURAL);
  proto.mutable_proportion()->set_column(spec.proportion.column);
  WritePreference(spec.preference, proto.mutable_preference());
  proto.mutable_draw()->set_kind(DrawToProto(spec.draw.kind));
  proto.mutable_draw()->set_fraction(spec.draw.fraction);
  proto.mutable_guard()->set_uniform_floor(spec.guard.uniform_floor);
  proto.mutable_guard()->set_unscored(UnscoredToProto(spec.guard.unscored));
  proto.mutable_guard()->set_unscored_prior(spec.guard.unscored_prior);
  proto.mutable_weight()->set_target(TargetToProto(spec.weight.target));
  proto.mutable_weight()->set_beta(spec.weight.beta);
  proto.set_snapshot(spec.snapshot == sampling::Snapshot::kLive ? v1::SNAPSHOT_LIVE
                                                                : v1::SNAPSHOT_EPOCH);
  return proto;
}

v1::ListPresetsResponse PresetsToProto() {
  v1::ListPresetsResponse response;
  for (const sampling::Preset& preset : sampling::Presets()) {
    v1::Preset* proto = response.add_presets();
    proto->set_name(preset.name);
    proto->set_source(preset.source);
    proto->set_formula(preset.formula);
    proto->set_unbiased_for(preset.unbiased_for);
    for (const sampling::PresetParameter& parameter : preset.parameters) {
      v1::PresetParameter* out = proto->add_parameters();
      out->set_name(parameter.name);
      if (parameter.default_value.has_value()) out->set_default_value(*parameter.default_value);
      out->set_range(parameter.range);
      out->set_description(parameter.description);
    }
  }
  return response;
}

v1::ProbabilityKind ProbabilityKindToProto(sampling::ProbabilityKind kind) {
  switch (kind) {
    case sampling::ProbabilityKind::kPerDraw:
      return v1::PROBABILITY_KIND_PER_DRAW;
    case sampling::ProbabilityKind::kInclusionEpoch:
      return v1::PROBABILITY_KIND_INCLUSION_EPOCH;
    case sampling::ProbabilityKind::kExpectedCount:
      return v1::PROBABILITY_KIND_EXPECTED_COUNT;
  }
  return v1::PROBABILITY_KIND_UNSPECIFIED;
}

v1::UnbiasedOver UnbiasedOverToProto(sampling::UnbiasedOver unbiased_over) {
  switch (unbiased_over) {
    case sampling::UnbiasedOver::kBatch:
      return v1::UNBIASED_OVER_BATCH;
    case sampling::UnbiasedOver::kEpoch:
      return v1::UNBIASED_OVER_EPOCH;
    case sampling::UnbiasedOver::kNothing:
      return v1::UNBIASED_OVER_NOTHING;
  }
  return v1::UNBIASED_OVER_UNSPECIFIED;
}

}  // namespace subset
