#include "sampling/spec.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

SamplerSpec Of(Preference::Kind kind) {
  SamplerSpec spec;
  spec.preference.kind = kind;
  if (kind == Preference::Kind::kBelowMeanPruning) spec.preference.total_epochs = 16;
  return spec;
}
SamplerSpec Uniform() { return Of(Preference::Kind::kUniform); }
SamplerSpec Power() { return Of(Preference::Kind::kScorePower); }
SamplerSpec Pruning() { return Of(Preference::Kind::kBelowMeanPruning); }

// Every field, for comparison.
std::string Text(const SamplerSpec& s) {
  return absl::StrCat(static_cast<int>(s.proportion.kind), "|", s.proportion.column, "|",
                      static_cast<int>(s.preference.kind), "|", s.preference.score, "|",
                      s.preference.alpha, "|", s.preference.ratio, "|", s.preference.delta, "|",
                      s.preference.total_epochs, "|", static_cast<int>(s.preference.scale), "|",
                      s.preference.per_stratum, "|", static_cast<int>(s.draw.kind), "|",
                      s.draw.fraction, "|", s.guard.uniform_floor, "|",
                      static_cast<int>(s.guard.unscored), "|", s.guard.unscored_prior, "|",
                      static_cast<int>(s.weight.target), "|", s.weight.beta, "|",
                      static_cast<int>(s.snapshot), "|", s.snapshot_every);
}

TEST(FractionTest, AProductNextToAWholeNumberIsThatNumber) {
  EXPECT_EQ(FloorFraction(.29, 100), 29);
  EXPECT_EQ(FloorFraction(1 - .9, 10), 1);
  EXPECT_EQ(CeilFraction(.07, 100), 7);
  EXPECT_EQ(FloorFraction(.1, 10000), 1000);
  EXPECT_EQ(FloorFraction(.875, 200), 175);
}

TEST(FractionTest, OtherProductsAreFlooredAndCeiled) {
  EXPECT_EQ(FloorFraction(.299, 100), 29);
  EXPECT_EQ(CeilFraction(.291, 100), 30);
  EXPECT_EQ(FloorFraction(.875, 10), 8);
  EXPECT_EQ(FloorFraction(.5, 1), 0);
  EXPECT_EQ(CeilFraction(.5, 1), 1);
}

TEST(FractionTest, AllOfNIsN) {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1}, uint64_t{60000}, uint64_t{1} << 32}) {
    EXPECT_EQ(FloorFraction(1, n), n);
    EXPECT_EQ(CeilFraction(1, n), n);
  }
}

TEST(ResolveSpecTest, TheEmptySpecIsAUniformEpoch) {
  SamplerSpec spec;
  ASSERT_OK(ResolveSpec(&spec));
  EXPECT_EQ(spec.draw.kind, Draw::Kind::kEpoch);
  EXPECT_EQ(spec.weight.target, Weight::Target::kNatural);
  EXPECT_EQ(spec.draw.fraction, 1);
}

TEST(ResolveSpecTest, DefaultsFollowFromOtherChoices) {
  SamplerSpec power = Power();
  power.preference.score = "";
  power.draw.fraction = 0;
  ASSERT_OK(ResolveSpec(&power));
  EXPECT_EQ(power.preference.score, "loss");
  EXPECT_EQ(power.draw.kind, Draw::Kind::kWithReplacement);
  EXPECT_EQ(power.draw.fraction, 1);
  EXPECT_EQ(power.guard.unscored, Guard::Unscored::kMean);

  SamplerSpec pruning = Pruning();
  ASSERT_OK(ResolveSpec(&pruning));
  EXPECT_EQ(pruning.draw.kind, Draw::Kind::kEpoch);
  EXPECT_EQ(pruning.guard.unscored, Guard::Unscored::kKeep);

  SamplerSpec equal;
  equal.proportion.kind = Proportion::Kind::kEqual;
  equal.proportion.column = "label";
  ASSERT_OK(ResolveSpec(&equal));
  EXPECT_EQ(equal.weight.target, Weight::Target::kBalanced);
}

struct Refused {
  const char* field;
  const char* message;  // part of it
  SamplerSpec base;
  std::function<void(SamplerSpec&)> change;
};

TEST(ResolveSpecTest, WhatMakesNoSenseIsRefusedByFieldValueAndBound) {
  const auto equal = [](SamplerSpec& s) {
    s.proportion.kind = Proportion::Kind::kEqual;
    s.proportion.column = "label";
  };
  const std::vector<Refused> cases = {
      {"proportion.column", "EQUAL needs", Uniform(),
       [](SamplerSpec& s) { s.proportion.kind = Proportion::Kind::kEqual; }},
      {"proportion.column", "does not match", Uniform(),
       [](SamplerSpec& s) { s.proportion.column = "../x"; }},
      {"preference.score_power.score", "does not match", Power(),
       [](SamplerSpec& s) { s.preference.score = "Loss!"; }},
      {"preference.score_power.alpha", "0 is outside (0, 16]", Power(),
       [](SamplerSpec& s) { s.preference.alpha = 0; }},
      {"preference.score_power.alpha", "16.5 is outside (0, 16]", Power(),
       [](SamplerSpec& s) { s.preference.alpha = 16.5; }},
      {"preference.score_power.alpha", "nan is outside", Power(),
       [](SamplerSpec& s) { s.preference.alpha = kNan; }},
      {"preference.score_power.alpha", "inf is outside", Power(),
       [](SamplerSpec& s) { s.preference.alpha = kInfinity; }},
      {"preference.below_mean_pruning.score", "does not match", Pruning(),
       [](SamplerSpec& s) { s.preference.score = "a b"; }},
      {"preference.below_mean_pruning.ratio", "0 is outside (0, 1)", Pruning(),
       [](SamplerSpec& s) { s.preference.ratio = 0; }},
      {"preference.below_mean_pruning.ratio", "1 is outside (0, 1)", Pruning(),
       [](SamplerSpec& s) { s.preference.ratio = 1; }},
      {"preference.below_mean_pruning.ratio", "nan is outside", Pruning(),
       [](SamplerSpec& s) { s.preference.ratio = kNan; }},
      {"preference.below_mean_pruning.delta", "0 is outside (0, 1]", Pruning(),
       [](SamplerSpec& s) { s.preference.delta = 0; }},
      {"preference.below_mean_pruning.delta", "1.5 is outside (0, 1]", Pruning(),
       [](SamplerSpec& s) { s.preference.delta = 1.5; }},
      {"preference.below_mean_pruning.delta", "nan is outside", Pruning(),
       [](SamplerSpec& s) { s.preference.delta = kNan; }},
      {"preference.below_mean_pruning.total_epochs", "0 is outside [1, 2147483648)", Pruning(),
       [](SamplerSpec& s) { s.preference.total_epochs = 0; }},
      {"preference.below_mean_pruning.total_epochs", "is outside [1, 2147483648)", Pruning(),
       [](SamplerSpec& s) { s.preference.total_epochs = 1u << 31; }},
      {"preference.below_mean_pruning.per_stratum", "needs proportion.column", Pruning(),
       [](SamplerSpec& s) { s.preference.per_stratum = true; }},
      {"proportion.kind", "EQUAL does not go with below_mean_pruning", Pruning(), equal},
      {"draw.kind", "EPOCH does not go with score_power", Power(),
       [](SamplerSpec& s) { s.draw.kind = Draw::Kind::kEpoch; }},
      {"draw.kind", "WITH_REPLACEMENT does not go with below_mean_pruning", Pruning(),
       [](SamplerSpec& s) { s.draw.kind = Draw::Kind::kWithReplacement; }},
      {"draw.fraction", "-0.5 is outside (0, 1]", Uniform(),
       [](SamplerSpec& s) { s.draw.fraction = -.5; }},
      {"draw.fraction", "1.01 is outside (0, 1]", Uniform(),
       [](SamplerSpec& s) { s.draw.fraction = 1.01; }},
      {"draw.fraction", "nan is outside (0, 1]", Uniform(),
       [](SamplerSpec& s) { s.draw.fraction = kNan; }},
      {"draw.fraction", "0.5 is not 1", Pruning(), [](SamplerSpec& s) { s.draw.fraction = .5; }},
      {"guard.uniform_floor", "-0.1 is outside [0, 1]", Power(),
       [](SamplerSpec& s) { s.guard.uniform_floor = -.1; }},
      {"guard.uniform_floor", "1.1 is outside [0, 1]", Power(),
       [](SamplerSpec& s) { s.guard.uniform_floor = 1.1; }},
      {"guard.uniform_floor", "nan is outside [0, 1]", Power(),
       [](SamplerSpec& s) { s.guard.uniform_floor = kNan; }},
      {"guard.uniform_floor", "0.1 is not 0", Uniform(),
       [](SamplerSpec& s) { s.guard.uniform_floor = .1; }},
      {"guard.uniform_floor", "0.1 is not 0", Pruning(),
       [](SamplerSpec& s) { s.guard.uniform_floor = .1; }},
      {"guard.unscored", "reads no score", Uniform(),
       [](SamplerSpec& s) { s.guard.unscored = Guard::Unscored::kMean; }},
      {"guard.unscored", "KEEP is for below_mean_pruning", Power(),
       [](SamplerSpec& s) { s.guard.unscored = Guard::Unscored::kKeep; }},
      {"guard.unscored", "never pruned", Pruning(),
       [](SamplerSpec& s) { s.guard.unscored = Guard::Unscored::kMaximum; }},
      {"guard.unscored_prior", "-1 is outside [0, infinity)", Power(),
       [](SamplerSpec& s) {
         s.guard = {0, Guard::Unscored::kPrior, -1};
       }},
      {"guard.unscored_prior", "inf is outside [0, infinity)", Power(),
       [](SamplerSpec& s) {
         s.guard = {0, Guard::Unscored::kPrior, kInfinity};
       }},
      {"guard.unscored_prior", "nan is outside [0, infinity)", Power(),
       [](SamplerSpec& s) {
         s.guard = {0, Guard::Unscored::kPrior, kNan};
       }},
      {"guard.unscored_prior", "2 is not 0, but guard.unscored is not PRIOR", Power(),
       [](SamplerSpec& s) { s.guard.unscored_prior = 2; }},
      {"weight.beta", "-0.1 is outside [0, 1]", Power(),
       [](SamplerSpec& s) { s.weight.beta = -.1; }},
      {"weight.beta", "2 is outside [0, 1]", Power(), [](SamplerSpec& s) { s.weight.beta = 2; }},
      {"weight.beta", "nan is outside [0, 1]", Power(),
       [](SamplerSpec& s) { s.weight.beta = kNan; }},
      {"weight.beta", "no weight to temper", Power(),
       [](SamplerSpec& s) {
         s.weight = {Weight::Target::kNone, .5};
       }},
      {"weight.target", "BALANCED needs proportion.column", Uniform(),
       [](SamplerSpec& s) { s.weight.target = Weight::Target::kBalanced; }},
      {"weight.target", "per_stratum", Pruning(),
       [](SamplerSpec& s) {
         s.proportion.column = "label";
         s.weight.target = Weight::Target::kBalanced;
       }},
      {"preference.column", "reads no score", Uniform(),
       [](SamplerSpec& s) { s.preference.column = "quality"; }},
      {"preference.irreducible", "nothing reads a score", Uniform(),
       [](SamplerSpec& s) { s.preference.irreducible = "il"; }},
      {"preference.column", "does not match", Power(),
       [](SamplerSpec& s) { s.preference.column = "a b"; }},
      {"preference.missing_irreducible", "names no column", Power(),
       [](SamplerSpec& s) {
         s.preference.missing_irreducible = Preference::MissingIrreducible::kExclude;
       }},
      {"preference.column", "recency needs the column", Power(),
       [](SamplerSpec& s) { s.preference.kind = Preference::Kind::kRecency; }},
      {"preference.band.per_stratum", "needs proportion.column", Of(Preference::Kind::kBand),
       [](SamplerSpec& s) { s.preference.per_stratum = true; }},
      {"preference.rank.pressure", "0.5 is outside [1, infinity)", Of(Preference::Kind::kRank),
       [](SamplerSpec& s) {
         s.preference.law = Preference::Law::kExponential;
         s.preference.pressure = .5;
       }},
      {"draw.fraction", "0.5 is not 1: what band chooses", Of(Preference::Kind::kBand),
       [](SamplerSpec& s) {
         s.draw.kind = Draw::Kind::kEpoch;
         s.draw.fraction = .5;
       }},
      {"draw.kind", "EPOCH does not go with", Of(Preference::Kind::kRank),
       [](SamplerSpec& s) { s.draw.kind = Draw::Kind::kEpoch; }},
      {"guard.floor_by_target", "needs draw.kind", Uniform(),
       [](SamplerSpec& s) { s.guard.floor_by_target = true; }},
      {"guard.refresh", "0.1 is not 0: a refresh quota needs", Uniform(),
       [](SamplerSpec& s) { s.guard.refresh = .1; }},
      {"guard.refresh", "does not age", Power(),
       [](SamplerSpec& s) {
         s.guard.refresh = .1;
         s.preference.column = "quality";
       }},
      {"guard.refresh", "which LIVE and EVERY_N have none of", Power(),
       [](SamplerSpec& s) {
         s.guard.refresh = .1;
         s.snapshot = Snapshot::kLive;
       }},
      {"guard.refresh", "0.6 with guard.uniform_floor 0.5 is more than 1", Power(),
       [](SamplerSpec& s) {
         s.guard.refresh = .6;
         s.guard.uniform_floor = .5;
       }},
      {"guard.max_repeats", "2 is not 0: a cap on repeats needs", Uniform(),
       [](SamplerSpec& s) { s.guard.max_repeats = 2; }},
      {"guard.max_repeats", "2 is not 0: with LIVE", Power(),
       [](SamplerSpec& s) {
         s.guard.max_repeats = 2;
         s.snapshot = Snapshot::kLive;
       }},
      {"guard.max_repeats", "0.5 is below draw.fraction 1", Power(),
       [](SamplerSpec& s) { s.guard.max_repeats = .5; }},
      {"guard.max_repeats", "changes in it", Power(),
       [](SamplerSpec& s) {
         s.guard.max_repeats = 2;
         s.schedules["guard.uniform_floor"] = {Schedule::Unit::kSteps, {{0, .1}}};
       }},
      {"weight.clip", "2 is not 0, but weight.target NONE", Power(),
       [](SamplerSpec& s) {
         s.weight.target = Weight::Target::kNone;
         s.weight.clip = 2;
       }},
      {"weight.normalise", "leaves no weight to normalise", Power(),
       [](SamplerSpec& s) {
         s.weight.target = Weight::Target::kNone;
         s.weight.normalise = Weight::Normalise::kSelf;
       }},
      {"snapshot", "LIVE needs preference score_power", Of(Preference::Kind::kRank),
       [](SamplerSpec& s) { s.snapshot = Snapshot::kLive; }},
      {"snapshot", "reads scores of the run", Power(),
       [](SamplerSpec& s) {
         s.preference.column = "quality";
         s.snapshot = Snapshot::kLive;
       }},
      {"snapshot", "filter by a reported score", Power(),
       [](SamplerSpec& s) {
         Predicate predicate;
         predicate.score = "loss";
         predicate.minimum = .5;
         s.eligible.all = {predicate};
         s.snapshot = Snapshot::kLive;
       }},
      {"snapshot", "EVERY_N needs preference score_power", Of(Preference::Kind::kRank),
       [](SamplerSpec& s) {
         s.snapshot = Snapshot::kEveryN;
         s.snapshot_every = 10;
       }},
      {"snapshot_every", "0 is outside [1, 1024]", Power(),
       [](SamplerSpec& s) { s.snapshot = Snapshot::kEveryN; }},
      {"snapshot_every", "1025 is outside [1, 1024]", Power(),
       [](SamplerSpec& s) {
         s.snapshot = Snapshot::kEveryN;
         s.snapshot_every = 1025;
       }},
      {"snapshot_every", "10 is not 0: it is for EVERY_N only", Power(),
       [](SamplerSpec& s) {
         s.snapshot = Snapshot::kLive;
         s.snapshot_every = 10;
       }},
      {"snapshot", "LIVE needs draw.kind WITH_REPLACEMENT", Pruning(),
       [](SamplerSpec& s) { s.snapshot = Snapshot::kLive; }},
      {"snapshot", "LIVE needs a preference that reads scores", Uniform(),
       [](SamplerSpec& s) {
         s.draw.kind = Draw::Kind::kWithReplacement;
         s.snapshot = Snapshot::kLive;
       }},
  };
  for (const Refused& refused : cases) {
    SamplerSpec spec = refused.base;
    refused.change(spec);
    const std::string before = Text(spec);
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith(refused.field), HasSubstr(refused.message))));
    EXPECT_THAT(status, FieldIs(refused.field));
    EXPECT_EQ(Text(spec), before) << "a refused spec is unchanged";
    SamplerSpec base = refused.base;
    EXPECT_OK(ResolveSpec(&base)) << refused.field << ": only the change makes it wrong";
  }
}

TEST(ResolveSpecTest, BoundsThemselvesAreAccepted) {
  SamplerSpec power = Power();
  power.preference.alpha = 16;
  power.guard = {1, Guard::Unscored::kPrior, 0};
  power.weight.beta = 0;
  power.snapshot = Snapshot::kLive;
  EXPECT_OK(ResolveSpec(&power));
  power.snapshot = Snapshot::kEveryN;
  power.snapshot_every = 1024;
  EXPECT_OK(ResolveSpec(&power));
  SamplerSpec pruning = Pruning();
  pruning.preference.delta = 1;
  pruning.preference.total_epochs = (1u << 31) - 1;
  EXPECT_OK(ResolveSpec(&pruning));
}

TEST(ResolveSpecTest, FieldsOfOtherPreferencesGoBackToTheirDefaults) {
  SamplerSpec spec = Uniform();
  spec.preference.alpha = kNan;
  spec.preference.total_epochs = 7;
  SamplerSpec plain = Uniform();
  ASSERT_OK(ResolveSpec(&spec));
  ASSERT_OK(ResolveSpec(&plain));
  EXPECT_EQ(Text(spec), Text(plain));
}

TEST(ResolveSpecTest, ResolvingTwiceIsResolvingOnce) {
  for (SamplerSpec spec : {Uniform(), Power(), Pruning()}) {
    ASSERT_OK(ResolveSpec(&spec));
    const std::string once = Text(spec);
    ASSERT_OK(ResolveSpec(&spec));
    EXPECT_EQ(Text(spec), once);
  }
}

}  // namespace
}  // namespace subset::sampling
