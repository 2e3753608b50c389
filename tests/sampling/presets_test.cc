#include "sampling/presets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Parameters = std::map<std::string, double>;

Parameters Required(const Preset& preset) {
  Parameters parameters;
  for (const PresetParameter& p : preset.parameters) {
    if (!p.default_value.has_value()) parameters[p.name] = 3;
  }
  return parameters;
}

TEST(PresetsTest, NamesAreSortedAndEachResolvesWithItsDefaults) {
  std::string last;
  for (const Preset& preset : Presets()) {
    EXPECT_LT(last, preset.name);
    last = preset.name;
    EXPECT_OK(PresetSpec(preset.name, Required(preset), {})) << preset.name;
  }
}

TEST(PresetsTest, MeanWhatTheirPapersSay) {
  ASSERT_OK_AND_ASSIGN(const SamplerSpec uniform, PresetSpec("uniform", {{"fraction", .1}}, {}));
  EXPECT_EQ(uniform.draw.kind, Draw::Kind::kEpoch);
  EXPECT_EQ(uniform.draw.fraction, .1);

  ASSERT_OK_AND_ASSIGN(const SamplerSpec balanced, PresetSpec("class_balanced", {}, {}));
  EXPECT_EQ(balanced.proportion.kind, Proportion::Kind::kEqual);
  EXPECT_EQ(balanced.proportion.column, "label");
  EXPECT_EQ(balanced.weight.target, Weight::Target::kBalanced);
  ASSERT_OK_AND_ASSIGN(const SamplerSpec dialects,
                       PresetSpec("class_balanced", {}, {{"", "dialect"}}));
  EXPECT_EQ(dialects.proportion.column, "dialect");

  ASSERT_OK_AND_ASSIGN(const SamplerSpec importance, PresetSpec("importance", {}, {}));
  EXPECT_EQ(importance.preference.kind, Preference::Kind::kScorePower);
  EXPECT_EQ(importance.preference.alpha, 1);
  EXPECT_EQ(importance.guard.uniform_floor, .1);
  EXPECT_EQ(importance.guard.unscored, Guard::Unscored::kMean);
  EXPECT_EQ(importance.weight.beta, 1);
  EXPECT_EQ(importance.snapshot, Snapshot::kEpoch);
  EXPECT_EQ(importance.draw.kind, Draw::Kind::kWithReplacement);
  ASSERT_OK_AND_ASSIGN(
      const SamplerSpec live,
      PresetSpec("importance", {{"live", 1}, {"alpha", .6}, {"beta", .4}, {"fraction", .5}}, {}));
  EXPECT_EQ(live.snapshot, Snapshot::kLive);
  EXPECT_EQ(live.preference.alpha, .6);
  EXPECT_EQ(live.weight.beta, .4);
  EXPECT_EQ(live.draw.fraction, .5);

  ASSERT_OK_AND_ASSIGN(const SamplerSpec infobatch,
                       PresetSpec("infobatch", {{"total_epochs", 200}}, {}));
  EXPECT_EQ(infobatch.preference.kind, Preference::Kind::kBelowMeanPruning);
  EXPECT_EQ(infobatch.preference.ratio, .5);
  EXPECT_EQ(infobatch.preference.delta, .875);
  EXPECT_EQ(infobatch.preference.total_epochs, 200);
  EXPECT_EQ(infobatch.preference.scale, Preference::Scale::kEpochSum);
}

TEST(PresetsTest, ASubsetIsTrainedOnAsADatasetOfItsOwn) {
  for (const char* name :
       {"curriculum", "el2n", "forgetting", "hard_example", "rho_loss_stale", "self_paced"}) {
    const Parameters parameters =
        Required(*std::find_if(Presets().begin(), Presets().end(),
                               [&](const Preset& p) { return std::string(p.name) == name; }));
    ASSERT_OK_AND_ASSIGN(const SamplerSpec spec, PresetSpec(name, parameters, {}));
    EXPECT_EQ(spec.draw.kind, Draw::Kind::kEpoch) << name;
  }
}

TEST(PresetsTest, DoremiLearnsFromTheExcessOverAReference) {
  ASSERT_OK_AND_ASSIGN(const SamplerSpec spec, PresetSpec("doremi", {}, {}));
  EXPECT_EQ(spec.preference.irreducible, "irreducible_loss");
}

TEST(PresetsTest, AnUnknownNameGetsTheNearestKnownOne) {
  const auto expect = [](const char* given, const char* nearest) {
    const auto spec = PresetSpec(given, {}, {});
    EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(nearest)));
    EXPECT_THAT(spec, FieldIs("preset.name"));
  };
  expect("infobach", "did you mean \"infobatch\"?");
  expect("unifrom", "did you mean \"uniform\"?");
  expect("class-balanced", "did you mean \"class_balanced\"?");
  expect("importance_sampling", "did you mean \"importance\"?");
  expect("", "\"\" is not a preset");
}

TEST(PresetsTest, AVeryLongNameIsCutInTheMessage) {
  const auto spec = PresetSpec(std::string(100000, 'x'), {}, {});
  ASSERT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_LT(spec.status().message().size(), 300);
}

TEST(PresetsTest, UnknownAndMissingParametersAreNamed) {
  const auto unknown = PresetSpec("importance", {{"alhpa", 1}}, {});
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("\"alhpa\" is not a parameter of importance; did you "
                                          "mean \"alpha\"?")));
  EXPECT_THAT(unknown, FieldIs("preset.parameters[alhpa]"));

  const auto missing = PresetSpec("infobatch", {{"ratio", .5}}, {});
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is missing")));
  EXPECT_THAT(missing, FieldIs("preset.parameters[total_epochs]"));
}

TEST(PresetsTest, EveryParameterRefusesWhatIsOutsideItsRangeUnderItsOwnName) {
  for (const Preset& preset : Presets()) {
    for (const PresetParameter& p : preset.parameters) {
      for (const double bad : {-1., 1e300, std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity()}) {
        Parameters parameters = Required(preset);
        if (bad == 1e300 && p.range[0] == '>') continue;  // no upper bound
        parameters[p.name] = bad;
        const auto spec = PresetSpec(preset.name, parameters, {});
        EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr("is outside"), Not(HasSubstr("preference.")),
                                         Not(HasSubstr("guard.")))))
            << preset.name << " " << p.name << " " << bad;
        EXPECT_THAT(spec, FieldIs(std::string("preset.parameters[") + p.name + "]"));
      }
    }
  }
}

TEST(PresetsTest, WholeNumbersAreWholeAndFlagsAreFlags) {
  for (const double bad : {0., 2.5, 2147483648.}) {
    EXPECT_THAT(PresetSpec("infobatch", {{"total_epochs", bad}}, {}),
                FieldIs("preset.parameters[total_epochs]"));
  }
  EXPECT_THAT(PresetSpec("importance", {{"live", .5}}, {}), FieldIs("preset.parameters[live]"));
  EXPECT_THAT(PresetSpec("uniform", {{"fraction", 0}}, {}), FieldIs("preset.parameters[fraction]"));
}

TEST(PresetsTest, ABadColumnIsNamedByItsRole) {
  for (const Preset& preset : Presets()) {
    for (const PresetColumn& column : preset.columns) {
      SCOPED_TRACE(preset.name);
      std::map<std::string, std::string> columns;  // those without a default, and the bad one
      for (const PresetColumn& other : preset.columns) columns[other.name] = "known";
      columns[column.name] = "No Column";
      EXPECT_THAT(PresetSpec(preset.name, Required(preset), columns),
                  FieldIs(absl::StrCat("preset.columns[", column.name, "]")));
    }
  }
}

TEST(PresetsTest, ABadColumnIsNamed) {
  EXPECT_THAT(PresetSpec("class_balanced", {}, {{"", "No Column"}}),
              FieldIs("preset.columns[strata]"));
  EXPECT_THAT(PresetSpec("class_balanced", {}, {{"starta", "label"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("did you mean \"strata\"?")));
  EXPECT_THAT(PresetSpec("uniform", {}, {{"strata", "label"}}), FieldIs("preset.columns[strata]"));
}

}  // namespace
}  // namespace subset::sampling
