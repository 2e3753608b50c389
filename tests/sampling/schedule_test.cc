#include "sampling/schedule.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/spec.h"
#include "sampling/spec_numbers.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Curve = Schedule::Curve;
using Unit = Schedule::Unit;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Schedule Of(std::vector<Schedule::Point> points, Unit unit = Unit::kEpochs) {
  return {unit, std::move(points)};
}

TEST(ScheduleTest, EachCurveIsItsClosedForm) {
  for (const double part : {0.0, .125, .25, .5, .75, .99}) {
    const auto at = [&](Curve curve) { return Of({{0, 1, curve}, {8, 4, curve}}).At(8 * part); };
    EXPECT_DOUBLE_EQ(at(Curve::kHold), 1);
    EXPECT_DOUBLE_EQ(at(Curve::kLinear), 1 + 3 * part);
    EXPECT_NEAR(at(Curve::kCosine), 4 - 3 * (1 + std::cos(M_PI * part)) / 2, 1e-14);
    EXPECT_NEAR(at(Curve::kGeometric), std::pow(4, part), 1e-13);
    EXPECT_NEAR(at(Curve::kRoot), std::sqrt(1 + 15 * part), 1e-14);
  }
}

TEST(ScheduleTest, ThePointsAreMetAndTheLastValueStays) {
  const Schedule schedule = Of({{0, .5, Curve::kCosine}, {3, 2, Curve::kHold}, {10, 7}});
  EXPECT_EQ(schedule.At(0), .5);
  EXPECT_EQ(schedule.At(3), 2);
  EXPECT_EQ(schedule.At(9.5), 2);
  EXPECT_EQ(schedule.At(10), 7);
  EXPECT_EQ(schedule.At(1e18), 7);
}

SamplerSpec Power() {
  SamplerSpec spec;
  spec.preference.kind = Preference::Kind::kScorePower;
  return spec;
}

struct Refused {
  const char* path;
  const char* message;  // part of it
  Schedule schedule;
};

TEST(ScheduleTest, WhatCannotWorkIsRefusedByNameAndBound) {
  std::vector<Schedule::Point> many;
  for (int i = 0; i < 65; ++i) many.push_back({1.0 * i, 1});
  const std::vector<Refused> cases = {
      {"preference.score_power.alpha", "has 0 points, which is outside [1, 64]", Of({})},
      {"preference.score_power.alpha", "has 65 points", Of(many)},
      {"preference.score_power.alpha", "has a gap: its first point is at 1", Of({{1, 1}})},
      {"preference.score_power.alpha", "point 2 at 3 does not come after 3",
       Of({{0, 1}, {3, 1}, {3, 2}})},
      {"preference.score_power.alpha", "point 0 at 0 is not finite", Of({{0, kNan}})},
      {"preference.score_power.alpha", "point 1 at 5: a GEOMETRIC curve needs values above 0",
       Of({{0, 0, Curve::kGeometric}, {5, 1}})},
      {"preference.score_power.alpha", "point 1: 17 is outside (0, 16]", Of({{0, 1}, {5, 17}})},
      {"preference.score_power.alpha", "point 0: 0 is outside (0, 16]", Of({{0, 0}})},
      {"guard.uniform_floor", "point 0: 1.5 is outside [0, 1]", Of({{0, 1.5}})},
      {"preference.score_power.alhpa", "did you mean \"preference.score_power.alpha\"?",
       Of({{0, 1}})},
      {"preference.rank.alpha", "is not a number of this spec", Of({{0, 1}})},
      {"draw.fractoin", "did you mean \"draw.fraction\"?", Of({{0, 1}})},
  };
  for (const Refused& refused : cases) {
    SamplerSpec spec = Power();
    spec.schedules[refused.path] = refused.schedule;
    const std::string field = absl::StrCat("schedules[", refused.path, "]");
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith(field), HasSubstr(refused.message))));
    EXPECT_THAT(status, FieldIs(field));
  }
  SamplerSpec spec = Power();
  for (int i = 0; i < 33; ++i) spec.schedules[absl::StrCat("x", i)] = Of({{0, 1}});
  EXPECT_THAT(ResolveSpec(&spec), FieldIs("schedules"));
}

TEST(ScheduleTest, APairThatOnlyALaterPointBreaksIsRefused) {
  SamplerSpec spec;  // draws an epoch, so a floor makes no sense
  spec.schedules["guard.uniform_floor"] = Of({{0, 0}, {10, .5}});
  const absl::Status status = ResolveSpec(&spec);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("schedules[guard.uniform_floor] brings about at 10")));
  EXPECT_THAT(status, FieldIs("guard.uniform_floor"));
}

TEST(SpecAtTest, NumbersFollowTheirSchedulesByEpochOrByStep) {
  SamplerSpec spec = Power();
  spec.preference.alpha = kNan;  // ignored
  spec.schedules["preference.score_power.alpha"] = Of({{0, 1}, {10, 2}});
  spec.schedules["draw.fraction"] = Of({{0, 1}, {1000, .5}}, Unit::kSteps);
  ASSERT_OK(ResolveSpec(&spec));
  EXPECT_EQ(spec.preference.alpha, 1) << "a resolved spec shows the first value";
  const SamplerSpec at = SpecAt(spec, 5, 200);
  EXPECT_DOUBLE_EQ(at.preference.alpha, 1.5);
  EXPECT_DOUBLE_EQ(at.draw.fraction, .9);
  EXPECT_TRUE(at.schedules.empty());
  EXPECT_DOUBLE_EQ(SpecAt(spec, 99, 99999).preference.alpha, 2);
  SamplerSpec again = spec;
  ASSERT_OK(ResolveSpec(&again));
  EXPECT_EQ(again.preference.alpha, spec.preference.alpha);
}

TEST(SpecNumbersTest, EveryRangeRefusesNanAndSaysItsBounds) {
  SamplerSpec spec;
  spec.eligible.all.resize(2);
  spec.eligible.all[1].kind = Predicate::Kind::kQuantile;
  spec.proportion.kind = Proportion::Kind::kExplicit;
  spec.proportion.shares = {{-3, .5}, {7, .5}};
  Proportion within;
  within.kind = Proportion::Kind::kTemperature;
  spec.proportion.within = std::make_shared<const Proportion>(within);
  const auto shared = spec.proportion.within;
  for (const Preference::Kind kind :
       {Preference::Kind::kUniform, Preference::Kind::kScorePower,
        Preference::Kind::kBelowMeanPruning, Preference::Kind::kRank, Preference::Kind::kSoftmax,
        Preference::Kind::kBand, Preference::Kind::kKeepProbability, Preference::Kind::kSelfPaced,
        Preference::Kind::kRecency}) {
    spec.preference.kind = kind;
    spec.preference.now = 5;
    SamplerSpec copy = spec;
    for (const SpecNumber& number : SpecNumbers(&copy)) {
      EXPECT_TRUE(number.range.Contains(*number.value)) << number.path;
      EXPECT_FALSE(number.range.Contains(kNan)) << number.path;
    }
  }
  EXPECT_EQ(spec.proportion.within, shared) << "a copy's numbers are the copy's own";
  EXPECT_EQ((Interval{0, 16, true}).Text(), "(0, 16]");
  EXPECT_EQ((Interval{1, std::numeric_limits<double>::infinity(), false, true}).Text(),
            "[1, infinity)");
}

TEST(SpecNumbersTest, PathsOfListsAndMapsAreIndexed) {
  SamplerSpec spec;
  spec.eligible.all.resize(2);
  spec.eligible.all[1].kind = Predicate::Kind::kQuantile;
  spec.proportion.kind = Proportion::Kind::kExplicit;
  spec.proportion.shares = {{-3, 1}};
  spec.proportion.within = std::make_shared<const Proportion>(spec.proportion);
  std::vector<std::string> paths;
  for (const SpecNumber& number : SpecNumbers(&spec)) paths.push_back(number.path);
  EXPECT_THAT(paths, ::testing::IsSupersetOf(
                         {"eligible.all[0].range.minimum", "eligible.all[1].quantile.low",
                          "eligible.all[1].minimum_keep", "proportion.shares[-3]",
                          "proportion.within.shares[-3]", "draw.fraction", "weight.beta"}));
}

}  // namespace
}  // namespace subset::sampling
