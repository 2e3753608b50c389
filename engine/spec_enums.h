// Enum values of samplers, between the API and the sampling room, as tables.

#ifndef SUBSET_ENGINE_SPEC_ENUMS_H_
#define SUBSET_ENGINE_SPEC_ENUMS_H_

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "sampling/plan.h"
#include "sampling/spec.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// What an API value is read as. Where a value has several, the last one is what it is written as.
template <typename Proto, typename Value>
struct EnumPair {
  Proto proto;
  Value value;
};

template <typename Proto, typename Value, size_t n>
absl::Status ReadEnum(absl::string_view field, int given, const EnumPair<Proto, Value> (&table)[n],
                      Value* value) {
  for (const auto& pair : table) {
    if (pair.proto != given) continue;
    *value = pair.value;
    return absl::OkStatus();
  }
  return InvalidField(field, absl::StrCat(given, " is not a value this version knows"));
}

template <typename Proto, typename Value, size_t n>
Proto WriteEnum(Value value, const EnumPair<Proto, Value> (&table)[n]) {
  Proto written = table[0].proto;
  for (const auto& pair : table) {
    if (pair.value == value) written = pair.proto;
  }
  return written;
}

inline constexpr EnumPair<v1::Predicate::Missing, sampling::Predicate::Missing> kMissing[] = {
    {v1::Predicate::MISSING_UNSPECIFIED, sampling::Predicate::Missing::kDefault},
    {v1::Predicate::KEEP, sampling::Predicate::Missing::kKeep},
    {v1::Predicate::DROP, sampling::Predicate::Missing::kDrop},
};

inline constexpr EnumPair<v1::Proportion::Kind, sampling::Proportion::Kind> kProportionKinds[] = {
    {v1::Proportion::KIND_UNSPECIFIED, sampling::Proportion::Kind::kNatural},
    {v1::Proportion::NATURAL, sampling::Proportion::Kind::kNatural},
    {v1::Proportion::EQUAL, sampling::Proportion::Kind::kEqual},
    {v1::Proportion::TEMPERATURE, sampling::Proportion::Kind::kTemperature},
    {v1::Proportion::EFFECTIVE_NUMBER, sampling::Proportion::Kind::kEffectiveNumber},
    {v1::Proportion::EXPLICIT, sampling::Proportion::Kind::kExplicit},
    {v1::Proportion::UNIMAX, sampling::Proportion::Kind::kUnimax},
    {v1::Proportion::GROUP_DRO, sampling::Proportion::Kind::kGroupDro},
    {v1::Proportion::DOREMI, sampling::Proportion::Kind::kDoremi},
    {v1::Proportion::ODM, sampling::Proportion::Kind::kOdm},
};

inline constexpr EnumPair<v1::Preference::BelowMeanPruning::Scale, sampling::Preference::Scale>
    kPruningScales[] = {
        {v1::Preference::BelowMeanPruning::SCALE_UNSPECIFIED,
         sampling::Preference::Scale::kEpochSum},
        {v1::Preference::BelowMeanPruning::EPOCH_SUM, sampling::Preference::Scale::kEpochSum},
        {v1::Preference::BelowMeanPruning::BATCH_MEAN, sampling::Preference::Scale::kBatchMean},
};

inline constexpr EnumPair<v1::Preference::Rank::Law, sampling::Preference::Law> kRankLaws[] = {
    {v1::Preference::Rank::LAW_UNSPECIFIED, sampling::Preference::Law::kPower},
    {v1::Preference::Rank::POWER, sampling::Preference::Law::kPower},
    {v1::Preference::Rank::EXPONENTIAL, sampling::Preference::Law::kExponential},
};

inline constexpr EnumPair<v1::Preference::MissingIrreducible,
                          sampling::Preference::MissingIrreducible>
    kMissingIrreducible[] = {
        {v1::Preference::MISSING_IRREDUCIBLE_UNSPECIFIED,
         sampling::Preference::MissingIrreducible::kUseScore},
        {v1::Preference::USE_SCORE, sampling::Preference::MissingIrreducible::kUseScore},
        {v1::Preference::EXCLUDE, sampling::Preference::MissingIrreducible::kExclude},
        {v1::Preference::STRATUM_MEAN, sampling::Preference::MissingIrreducible::kStratumMean},
};

inline constexpr EnumPair<v1::Draw::Kind, sampling::Draw::Kind> kDrawKinds[] = {
    {v1::Draw::KIND_UNSPECIFIED, sampling::Draw::Kind::kDefault},
    {v1::Draw::EPOCH, sampling::Draw::Kind::kEpoch},
    {v1::Draw::WITH_REPLACEMENT, sampling::Draw::Kind::kWithReplacement},
    {v1::Draw::SYSTEMATIC, sampling::Draw::Kind::kSystematic},
    {v1::Draw::INDEPENDENT, sampling::Draw::Kind::kIndependent},
    {v1::Draw::ROUNDS, sampling::Draw::Kind::kRounds},
    {v1::Draw::BOOTSTRAP, sampling::Draw::Kind::kBootstrap},
    {v1::Draw::BLOCKS, sampling::Draw::Kind::kBlocks},
    {v1::Draw::PROVIDED, sampling::Draw::Kind::kProvided},
};

inline constexpr EnumPair<v1::Draw::Bootstrap::Form, sampling::Draw::BootstrapForm>
    kBootstrapForms[] = {
        {v1::Draw::Bootstrap::FORM_UNSPECIFIED, sampling::Draw::BootstrapForm::kMultinomial},
        {v1::Draw::Bootstrap::MULTINOMIAL, sampling::Draw::BootstrapForm::kMultinomial},
        {v1::Draw::Bootstrap::POISSON, sampling::Draw::BootstrapForm::kPoisson},
        {v1::Draw::Bootstrap::BAYESIAN, sampling::Draw::BootstrapForm::kBayesian},
};

inline constexpr EnumPair<v1::Draw::Blocks::Form, sampling::Draw::BlockForm> kBlockForms[] = {
    {v1::Draw::Blocks::FORM_UNSPECIFIED, sampling::Draw::BlockForm::kFixed},
    {v1::Draw::Blocks::FIXED, sampling::Draw::BlockForm::kFixed},
    {v1::Draw::Blocks::MOVING, sampling::Draw::BlockForm::kMoving},
    {v1::Draw::Blocks::CIRCULAR, sampling::Draw::BlockForm::kCircular},
    {v1::Draw::Blocks::STATIONARY, sampling::Draw::BlockForm::kStationary},
};

inline constexpr EnumPair<v1::Guard::Unscored, sampling::Guard::Unscored> kUnscored[] = {
    {v1::Guard::UNSCORED_UNSPECIFIED, sampling::Guard::Unscored::kDefault},
    {v1::Guard::MEAN, sampling::Guard::Unscored::kMean},
    {v1::Guard::MAXIMUM, sampling::Guard::Unscored::kMaximum},
    {v1::Guard::PRIOR, sampling::Guard::Unscored::kPrior},
    {v1::Guard::KEEP, sampling::Guard::Unscored::kKeep},
};

inline constexpr EnumPair<v1::Weight::Target, sampling::Weight::Target> kTargets[] = {
    {v1::Weight::TARGET_UNSPECIFIED, sampling::Weight::Target::kDefault},
    {v1::Weight::NATURAL, sampling::Weight::Target::kNatural},
    {v1::Weight::BALANCED, sampling::Weight::Target::kBalanced},
    {v1::Weight::SHARES, sampling::Weight::Target::kShares},
    {v1::Weight::NONE, sampling::Weight::Target::kNone},
};

inline constexpr EnumPair<v1::Weight::Normalise, sampling::Weight::Normalise> kNormalise[] = {
    {v1::Weight::NORMALISE_UNSPECIFIED, sampling::Weight::Normalise::kNothing},
    {v1::Weight::NOTHING, sampling::Weight::Normalise::kNothing},
    {v1::Weight::MAXIMUM, sampling::Weight::Normalise::kMaximum},
    {v1::Weight::SELF, sampling::Weight::Normalise::kSelf},
};

inline constexpr EnumPair<v1::Schedule::Unit, sampling::Schedule::Unit> kUnits[] = {
    {v1::Schedule::UNIT_UNSPECIFIED, sampling::Schedule::Unit::kEpochs},
    {v1::Schedule::EPOCHS, sampling::Schedule::Unit::kEpochs},
    {v1::Schedule::STEPS, sampling::Schedule::Unit::kSteps},
};

inline constexpr EnumPair<v1::Schedule::Curve, sampling::Schedule::Curve> kCurves[] = {
    {v1::Schedule::CURVE_UNSPECIFIED, sampling::Schedule::Curve::kLinear},
    {v1::Schedule::HOLD, sampling::Schedule::Curve::kHold},
    {v1::Schedule::LINEAR, sampling::Schedule::Curve::kLinear},
    {v1::Schedule::COSINE, sampling::Schedule::Curve::kCosine},
    {v1::Schedule::GEOMETRIC, sampling::Schedule::Curve::kGeometric},
    {v1::Schedule::ROOT, sampling::Schedule::Curve::kRoot},
};

inline constexpr EnumPair<v1::Snapshot, sampling::Snapshot> kSnapshots[] = {
    {v1::SNAPSHOT_UNSPECIFIED, sampling::Snapshot::kEpoch},
    {v1::SNAPSHOT_EPOCH, sampling::Snapshot::kEpoch},
    {v1::SNAPSHOT_LIVE, sampling::Snapshot::kLive},
    {v1::SNAPSHOT_EVERY_N, sampling::Snapshot::kEveryN},
};

inline constexpr EnumPair<v1::ProbabilityKind, sampling::ProbabilityKind> kProbabilityKinds[] = {
    {v1::PROBABILITY_KIND_PER_DRAW, sampling::ProbabilityKind::kPerDraw},
    {v1::PROBABILITY_KIND_INCLUSION_EPOCH, sampling::ProbabilityKind::kInclusionEpoch},
    {v1::PROBABILITY_KIND_EXPECTED_COUNT, sampling::ProbabilityKind::kExpectedCount},
};

inline constexpr EnumPair<v1::UnbiasedOver, sampling::UnbiasedOver> kUnbiasedOver[] = {
    {v1::UNBIASED_OVER_BATCH, sampling::UnbiasedOver::kBatch},
    {v1::UNBIASED_OVER_EPOCH, sampling::UnbiasedOver::kEpoch},
    {v1::UNBIASED_OVER_NOTHING, sampling::UnbiasedOver::kNothing},
};

}  // namespace subset

#endif  // SUBSET_ENGINE_SPEC_ENUMS_H_
