// Writing samplers. Only what belongs to the chosen kinds is written: a spec that older versions
// could express keeps their bytes, so that the same definition is recognised as the same.

#include <limits>

#include "engine/select_rule_proto.h"
#include "engine/spec_enums.h"
#include "engine/spec_proto.h"
#include "sampling/presets.h"

namespace subset {
namespace {

void WritePredicate(const sampling::Predicate& predicate, v1::Predicate* proto) {
  using Kind = sampling::Predicate::Kind;
  if (predicate.column.empty()) {
    proto->set_score(predicate.score);
  } else {
    proto->set_column(predicate.column);
  }
  switch (predicate.kind) {
    case Kind::kIn:
      proto->mutable_in()->mutable_values()->Assign(predicate.values.begin(),
                                                    predicate.values.end());
      break;
    case Kind::kNotIn:
      proto->mutable_not_in()->mutable_values()->Assign(predicate.values.begin(),
                                                        predicate.values.end());
      break;
    case Kind::kAnyOf:
      proto->mutable_any_of()->mutable_values()->Assign(predicate.values.begin(),
                                                        predicate.values.end());
      break;
    case Kind::kAllOf:
      proto->mutable_all_of()->mutable_values()->Assign(predicate.values.begin(),
                                                        predicate.values.end());
      break;
    case Kind::kNoneOf:
      proto->mutable_none_of()->mutable_values()->Assign(predicate.values.begin(),
                                                         predicate.values.end());
      break;
    case Kind::kRange:
      proto->mutable_range();
      if (predicate.minimum > -std::numeric_limits<double>::infinity()) {
        proto->mutable_range()->set_minimum(predicate.minimum);
      }
      if (predicate.maximum < std::numeric_limits<double>::infinity()) {
        proto->mutable_range()->set_maximum(predicate.maximum);
      }
      break;
    case Kind::kQuantile:
      proto->mutable_quantile()->set_low(predicate.low);
      proto->mutable_quantile()->set_high(predicate.high);
      break;
  }
  proto->set_missing(WriteEnum(predicate.missing, kMissing));
  proto->set_within(predicate.within);
  proto->set_minimum_keep(predicate.minimum_keep);
}

void WriteProportion(const sampling::Proportion& proportion, v1::Proportion* proto) {
  using Kind = sampling::Proportion::Kind;
  proto->set_kind(WriteEnum(proportion.kind, kProportionKinds));
  proto->set_column(proportion.column);
  proto->set_size_column(proportion.size_column);
  proto->set_exact_quotas(proportion.exact_quotas);
  switch (proportion.kind) {
    case Kind::kNatural:
    case Kind::kEqual:
    case Kind::kOdm:
      break;
    case Kind::kTemperature:
      proto->set_temperature(proportion.temperature);
      break;
    case Kind::kEffectiveNumber:
      proto->set_effective_beta(proportion.effective_beta);
      proto->set_effective_by_stratum(proportion.effective_by_stratum);
      break;
    case Kind::kExplicit:
      proto->mutable_shares()->insert(proportion.shares.begin(), proportion.shares.end());
      break;
    case Kind::kUnimax:
      proto->set_max_epochs(proportion.max_epochs);
      break;
    case Kind::kGroupDro:
      proto->set_eta(proportion.eta);
      proto->set_adjustment(proportion.adjustment);
      break;
    case Kind::kDoremi:
      proto->set_eta(proportion.eta);
      proto->set_epsilon(proportion.epsilon);
      break;
  }
  if (proportion.within != nullptr) WriteProportion(*proportion.within, proto->mutable_within());
}

void WritePreferenceKind(const sampling::Preference& preference, v1::Preference* proto) {
  using Kind = sampling::Preference::Kind;
  switch (preference.kind) {
    case Kind::kUniform:
      proto->mutable_uniform();
      return;
    case Kind::kScorePower:
      proto->mutable_score_power()->set_score(preference.score);
      proto->mutable_score_power()->set_alpha(preference.alpha);
      return;
    case Kind::kBelowMeanPruning: {
      auto* pruning = proto->mutable_below_mean_pruning();
      pruning->set_score(preference.score);
      pruning->set_ratio(preference.ratio);
      pruning->set_delta(preference.delta);
      pruning->set_total_epochs(preference.total_epochs);
      pruning->set_per_stratum(preference.per_stratum);
      pruning->set_scale(WriteEnum(preference.scale, kPruningScales));
      return;
    }
    case Kind::kRank:
      proto->mutable_rank()->set_score(preference.score);
      proto->mutable_rank()->set_law(WriteEnum(preference.law, kRankLaws));
      if (preference.law == sampling::Preference::Law::kPower) {
        proto->mutable_rank()->set_alpha(preference.alpha);
      } else {
        proto->mutable_rank()->set_pressure(preference.pressure);
      }
      return;
    case Kind::kSoftmax:
      proto->mutable_softmax()->set_score(preference.score);
      proto->mutable_softmax()->set_temperature(preference.temperature);
      return;
    case Kind::kBand: {
      auto* band = proto->mutable_band();
      band->set_score(preference.score);
      band->set_smallest(preference.smallest);
      band->set_skip(preference.skip);
      band->set_keep(preference.keep);
      band->set_per_stratum(preference.per_stratum);
      return;
    }
    case Kind::kKeepProbability:
      proto->mutable_keep_probability()->set_score(preference.score);
      proto->mutable_keep_probability()->set_beta(preference.beta);
      proto->mutable_keep_probability()->set_least(preference.least);
      return;
    case Kind::kSelfPaced:
      proto->mutable_self_paced()->set_score(preference.score);
      proto->mutable_self_paced()->set_threshold(preference.threshold);
      proto->mutable_self_paced()->set_soft(preference.soft);
      return;
    case Kind::kRecency:
      proto->mutable_recency()->set_half_life(preference.half_life);
      if (preference.now.has_value()) proto->mutable_recency()->set_now(*preference.now);
      return;
    case Kind::kRepeatFactor:
      proto->mutable_repeat_factor()->set_threshold(preference.threshold);
      return;
  }
}

void WritePreference(const sampling::Preference& preference, v1::Preference* proto) {
  WritePreferenceKind(preference, proto);
  proto->set_column(preference.column);
  if (preference.irreducible.empty()) return;
  proto->set_irreducible(preference.irreducible);
  proto->set_missing_irreducible(WriteEnum(preference.missing_irreducible, kMissingIrreducible));
}

void WriteDraw(const sampling::Draw& draw, v1::Draw* proto) {
  using Kind = sampling::Draw::Kind;
  proto->set_kind(WriteEnum(draw.kind, kDrawKinds));
  proto->set_fraction(draw.fraction);
  proto->set_jittered(draw.jittered);
  if (draw.kind == Kind::kBootstrap) {
    proto->mutable_bootstrap()->set_form(WriteEnum(draw.bootstrap, kBootstrapForms));
    proto->mutable_bootstrap()->set_bag(draw.bag);
  }
  if (draw.kind == Kind::kBlocks) {
    proto->mutable_blocks()->set_column(draw.block_column);
    proto->mutable_blocks()->set_form(WriteEnum(draw.blocks, kBlockForms));
    proto->mutable_blocks()->set_length(draw.block_length);
    proto->mutable_blocks()->set_gap(draw.block_gap);
  }
}

void WriteGuard(const sampling::Guard& guard, v1::Guard* proto) {
  proto->set_uniform_floor(guard.uniform_floor);
  proto->set_unscored(WriteEnum(guard.unscored, kUnscored));
  proto->set_unscored_prior(guard.unscored_prior);
  proto->set_floor_by_target(guard.floor_by_target);
  proto->set_refresh(guard.refresh);
  if (guard.refresh != 0 || guard.stale_fraction != 1) {
    proto->set_stale_fraction(guard.stale_fraction);
  }
  proto->set_max_repeats(guard.max_repeats);
}

void WriteWeight(const sampling::Weight& weight, v1::Weight* proto) {
  proto->set_target(WriteEnum(weight.target, kTargets));
  proto->set_beta(weight.beta);
  proto->set_clip(weight.clip);
  if (weight.normalise != sampling::Weight::Normalise::kNothing) {
    proto->set_normalise(WriteEnum(weight.normalise, kNormalise));
  }
}

}  // namespace

v1::SamplerSpec SpecToProto(const sampling::SamplerSpec& spec) {
  v1::SamplerSpec proto;
  for (const sampling::Predicate& predicate : spec.eligible.all) {
    WritePredicate(predicate, proto.mutable_eligible()->add_all());
  }
  WriteProportion(spec.proportion, proto.mutable_proportion());
  WritePreference(spec.preference, proto.mutable_preference());
  WriteDraw(spec.draw, proto.mutable_draw());
  WriteGuard(spec.guard, proto.mutable_guard());
  WriteWeight(spec.weight, proto.mutable_weight());
  proto.set_snapshot(WriteEnum(spec.snapshot, kSnapshots));
  proto.set_snapshot_every(spec.snapshot_every);
  if (spec.select.has_value()) WriteSelectRule(*spec.select, proto.mutable_select());
  for (const auto& [path, schedule] : spec.schedules) {
    v1::Schedule& written = (*proto.mutable_schedules())[path];
    written.set_unit(WriteEnum(schedule.unit, kUnits));
    for (const sampling::Schedule::Point& point : schedule.points) {
      v1::Schedule::Point* out = written.add_points();
      out->set_at(point.at);
      out->set_value(point.value);
      out->set_curve(WriteEnum(point.curve, kCurves));
    }
  }
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
    for (const sampling::PresetColumn& column : preset.columns) {
      v1::PresetColumn* out = proto->add_columns();
      out->set_name(column.name);
      out->set_default_column(column.default_column);
      out->set_description(column.description);
    }
  }
  return response;
}

v1::ProbabilityKind ProbabilityKindToProto(sampling::ProbabilityKind kind) {
  return WriteEnum(kind, kProbabilityKinds);
}

v1::UnbiasedOver UnbiasedOverToProto(sampling::UnbiasedOver unbiased_over) {
  return WriteEnum(unbiased_over, kUnbiasedOver);
}

}  // namespace subset
