// What draws go with, and what they do not.

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/spec.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = Draw::Kind;

SamplerSpec Of(Kind kind) {
  SamplerSpec spec;
  spec.draw.kind = kind;
  if (kind == Kind::kBlocks) {
    spec.draw.block_column = "time";
    spec.draw.block_length = 8;
  }
  return spec;
}

void ExpectRefused(SamplerSpec spec, const std::string& field, const std::string& text) {
  const absl::Status status = ResolveSpec(&spec);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(StartsWith(field), HasSubstr(text))));
  EXPECT_EQ(ErrorField(status), field);
}

constexpr Kind kListed[] = {Kind::kSystematic, Kind::kIndependent, Kind::kRounds,
                            Kind::kBootstrap,  Kind::kBlocks,      Kind::kProvided};

TEST(ResolveDrawTest, EveryKindGoesWithAUniformPreferenceAndNaturalStrata) {
  for (const Kind kind : kListed) {
    SamplerSpec spec = Of(kind);
    EXPECT_OK(ResolveSpec(&spec));
    EXPECT_EQ(spec.draw.fraction, 1);
    spec = Of(kind);
    spec.proportion.column = "label";
    spec.weight.target = Weight::Target::kBalanced;
    EXPECT_OK(ResolveSpec(&spec));
  }
}

TEST(ResolveDrawTest, PreferencesNeedADrawThatHasUseForThem) {
  for (const Kind kind : {Kind::kRounds, Kind::kBootstrap, Kind::kBlocks, Kind::kProvided}) {
    SamplerSpec spec = Of(kind);
    spec.preference.kind = Preference::Kind::kScorePower;
    ExpectRefused(spec, "draw.kind",
                  "does not go with score_power: it has no use for a preference");
  }
  for (const Kind kind : kListed) {
    SamplerSpec spec = Of(kind);
    spec.preference.kind = Preference::Kind::kBelowMeanPruning;
    spec.preference.total_epochs = 8;
    ExpectRefused(spec, "draw.kind", "does not go with below_mean_pruning");
  }
  SamplerSpec spec = Of(Kind::kEpoch);
  spec.preference.kind = Preference::Kind::kScorePower;
  ExpectRefused(spec, "draw.kind", "EPOCH does not go with score_power: only WITH_REPLACEMENT");
  for (const Kind kind : {Kind::kSystematic, Kind::kIndependent}) {
    spec = Of(kind);
    spec.preference.kind = Preference::Kind::kScorePower;
    EXPECT_OK(ResolveSpec(&spec));
  }
}

TEST(ResolveDrawTest, SharesNeedADrawThatCanGiveThem) {
  for (const Kind kind : {Kind::kRounds, Kind::kBlocks, Kind::kProvided}) {
    SamplerSpec spec = Of(kind);
    spec.proportion.column = "label";
    spec.proportion.kind = Proportion::Kind::kEqual;
    ExpectRefused(spec, "proportion.kind", "does not go with draw.kind ");
  }
  SamplerSpec bayesian = Of(Kind::kBootstrap);
  bayesian.draw.bootstrap = Draw::BootstrapForm::kBayesian;
  bayesian.proportion.column = "label";
  bayesian.proportion.kind = Proportion::Kind::kEqual;
  ExpectRefused(bayesian, "proportion.kind",
                "does not go with draw.kind BOOTSTRAP of form BAYESIAN");
  for (const Kind kind : {Kind::kSystematic, Kind::kIndependent, Kind::kBootstrap}) {
    SamplerSpec spec = Of(kind);
    spec.proportion.column = "label";
    spec.proportion.kind = Proportion::Kind::kEqual;
    EXPECT_OK(ResolveSpec(&spec));
  }
}

TEST(ResolveDrawTest, WhatSetsTheLengthLeavesNoFraction) {
  const auto refused = [](SamplerSpec spec, const std::string& text) {
    spec.draw.fraction = .5;
    ExpectRefused(spec, "draw.fraction", text);
  };
  refused(Of(Kind::kProvided), "0.5 is not 1: what is handed in sets");
  SamplerSpec bayesian = Of(Kind::kBootstrap);
  bayesian.draw.bootstrap = Draw::BootstrapForm::kBayesian;
  refused(bayesian, "0.5 is not 1: a BAYESIAN bag holds every sample");
  for (const Kind kind : kListed) {
    for (const double bad : {-.1, 1.1, std::nan("")}) {
      SamplerSpec spec = Of(kind);
      spec.draw.fraction = bad;
      ExpectRefused(spec, "draw.fraction", "is outside (0, 1]");
    }
  }
}

TEST(ResolveDrawTest, FieldsOfOtherKindsAreRefused) {
  for (const Kind kind : {Kind::kEpoch, Kind::kWithReplacement, Kind::kSystematic,
                          Kind::kIndependent, Kind::kRounds, Kind::kProvided}) {
    SamplerSpec spec = Of(kind);
    spec.draw.bag = 1;
    ExpectRefused(spec, "draw.bootstrap", "is not BOOTSTRAP");
    spec = Of(kind);
    spec.draw.bootstrap = Draw::BootstrapForm::kPoisson;
    ExpectRefused(spec, "draw.bootstrap", "is not BOOTSTRAP");
    spec = Of(kind);
    spec.draw.block_length = 1;
    ExpectRefused(spec, "draw.blocks", "is not BLOCKS");
    if (kind == Kind::kWithReplacement) continue;
    spec = Of(kind);
    spec.draw.jittered = true;
    ExpectRefused(spec, "draw.jittered", "is not WITH_REPLACEMENT");
  }
}

TEST(ResolveDrawTest, BlocksNeedATimeALengthAndGapsOnlyWhereTheyArePartitions) {
  SamplerSpec spec = Of(Kind::kBlocks);
  spec.draw.block_column = "";
  ExpectRefused(spec, "draw.blocks.column", "is empty");
  spec.draw.block_column = "No!";
  ExpectRefused(spec, "draw.blocks.column", "\"No!\"");
  spec = Of(Kind::kBlocks);
  spec.draw.block_length = 0;
  ExpectRefused(spec, "draw.blocks.length", "0 is outside [1, 4294967296]");
  spec.draw.block_length = (uint64_t{1} << 32) + 1;
  ExpectRefused(spec, "draw.blocks.length", "4294967297 is outside");
  spec = Of(Kind::kBlocks);
  spec.draw.block_gap = (uint64_t{1} << 32) + 1;
  ExpectRefused(spec, "draw.blocks.gap", "4294967297 is outside");
  for (const auto form :
       {Draw::BlockForm::kMoving, Draw::BlockForm::kCircular, Draw::BlockForm::kStationary}) {
    spec = Of(Kind::kBlocks);
    spec.draw.blocks = form;
    EXPECT_OK(ResolveSpec(&spec));
    spec.draw.block_gap = 2;
    ExpectRefused(spec, "draw.blocks.gap", "2 is not 0: only FIXED blocks have gaps");
  }
  spec = Of(Kind::kBlocks);
  EXPECT_THAT(spec.DatasetColumns(), testing::ElementsAre("time"));
}

TEST(ResolveDrawTest, ExactQuotasAreForEpochsAndDrawsWithReplacement) {
  for (const Kind kind : kListed) {
    SamplerSpec spec = Of(kind);
    spec.proportion.column = "label";
    spec.proportion.exact_quotas = true;
    ExpectRefused(spec, "proportion.exact_quotas", "EPOCH and WITH_REPLACEMENT");
  }
}

TEST(ResolveDrawTest, RoundsAndBagsKeepTheirLengthOverARun) {
  Schedule schedule;
  schedule.points = {{0, .5}, {10, 1}};
  for (const Kind kind : {Kind::kRounds, Kind::kBootstrap}) {
    SamplerSpec spec = Of(kind);
    spec.schedules["draw.fraction"] = schedule;
    ExpectRefused(spec, "schedules[draw.fraction]", kind == Kind::kRounds ? "ROUNDS" : "BOOTSTRAP");
  }
  for (const Kind kind : {Kind::kSystematic, Kind::kIndependent, Kind::kBlocks}) {
    SamplerSpec spec = Of(kind);
    spec.schedules["draw.fraction"] = schedule;
    EXPECT_OK(ResolveSpec(&spec));
  }
  SamplerSpec spec = Of(Kind::kBootstrap);
  spec.schedules["weight.beta"] = schedule;
  EXPECT_OK(ResolveSpec(&spec));
}

TEST(ResolveDrawTest, LiveScoresAreForDrawsWithReplacement) {
  SamplerSpec spec = Of(Kind::kSystematic);
  spec.preference.kind = Preference::Kind::kScorePower;
  spec.snapshot = Snapshot::kLive;
  ExpectRefused(spec, "snapshot", "LIVE needs draw.kind WITH_REPLACEMENT");
}

}  // namespace
}  // namespace subset::sampling
