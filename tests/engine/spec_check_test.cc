// Specs against datasets: each thing that cannot work is refused, and names its field.

#include "engine/spec_check.h"

#include "engine/memory_limit.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;
using Spec = sampling::SamplerSpec;

// Four samples: a label in {1, 2}, a key of too many values, a quality, a size that is negative and
// sets of classes.
Dataset Small() {
  Dataset dataset;
  dataset.proto.set_name("d");
  dataset.proto.set_num_samples(4);
  dataset.columns["label"] = Stored<uint8_t>("label", v1::COLUMN_TYPE_UINT8, {1, 2, 2, 1}, 2);
  dataset.columns["key"] = Stored<int64_t>("key", v1::COLUMN_TYPE_INT64, {1, 2, 3, 4}, 65537);
  dataset.columns["quality"] =
      Stored<float>("quality", v1::COLUMN_TYPE_FLOAT32, {0.f, 1.f, NAN, 2.f}, 0);
  dataset.columns["classes"] = Stored("classes", {{1, 2}, {}, {2}, {9}});
  dataset.columns["size"] = Stored<double>("size", v1::COLUMN_TYPE_FLOAT64, {1, 2, -3, 4}, 0);
  return dataset;
}

TEST(SpecCheckTest, ColumnsMustBeThereAndOfTheRightType) {
  const Dataset dataset = Small();
  const auto check = [&dataset](auto change) {
    Spec spec;
    change(spec);
    return CheckColumns(spec, dataset, DefinedBy{});
  };
  EXPECT_OK(check([](Spec&) {}));
  const absl::Status misspelt = check([](Spec& s) { s.preference.column = "qualty"; });
  EXPECT_THAT(misspelt,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"quality\"")));
  EXPECT_THAT(misspelt, FieldIs("spec.preference.column"));
  EXPECT_THAT(check([](Spec& s) { s.preference.irreducible = "il"; }),
              FieldIs("spec.preference.irreducible"));
  const auto predicate = [](const std::string& column, sampling::Predicate::Kind kind,
                            const std::string& within) {
    return [=](Spec& s) {
      s.eligible.all.resize(2);
      s.eligible.all[0].score = "loss";
      s.eligible.all[1].column = column;
      s.eligible.all[1].kind = kind;
      s.eligible.all[1].within = within;
    };
  };
  using Kind = sampling::Predicate::Kind;
  EXPECT_OK(check(predicate("quality", Kind::kQuantile, "label")));
  EXPECT_THAT(check(predicate("quality", Kind::kIn, "")), FieldIs("spec.eligible.all[1].column"));
  EXPECT_THAT(check(predicate("quality", Kind::kRange, "size")),
              FieldIs("spec.eligible.all[1].within"));
  EXPECT_THAT(check([](Spec& s) { s.proportion.column = "quality"; }),
              FieldIs("spec.proportion.column"));
  EXPECT_THAT(check([](Spec& s) { s.proportion.size_column = "sizes"; }),
              FieldIs("spec.proportion.size_column"));
  const auto labels = [&](const std::string& column, Kind kind) {
    return check(predicate(column, kind, ""));
  };
  for (const Kind kind : {Kind::kAnyOf, Kind::kAllOf, Kind::kNoneOf}) {
    EXPECT_OK(labels("classes", kind));
    EXPECT_THAT(labels("label", kind),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("\"label\" is of type COLUMN_TYPE_UINT8; COLUMN_TYPE_LABEL_SET "
                                   "is needed, as of \"classes\"")));
    EXPECT_THAT(labels("clases", kind),
                StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"classes\"")));
  }
  for (const Kind kind : {Kind::kIn, Kind::kRange, Kind::kQuantile}) {
    EXPECT_THAT(labels("classes", kind), FieldIs("spec.eligible.all[1].column"));
  }
  EXPECT_THAT(check(predicate("quality", Kind::kRange, "classes")),
              FieldIs("spec.eligible.all[1].within"));
  EXPECT_THAT(check([](Spec& s) { s.proportion.column = "classes"; }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("an integer type is needed")));
  EXPECT_THAT(check([](Spec& s) { s.proportion.size_column = "classes"; }),
              FieldIs("spec.proportion.size_column"));
  EXPECT_THAT(check([](Spec& s) { s.preference.column = "classes"; }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a number per sample")));
  EXPECT_THAT(check([](Spec& s) { s.preference.irreducible = "classes"; }),
              FieldIs("spec.preference.irreducible"));
  const auto repeats = [](const std::string& column) {
    return [column](Spec& s) {
      s.preference.kind = sampling::Preference::Kind::kRepeatFactor;
      s.preference.column = column;
    };
  };
  EXPECT_OK(check(repeats("classes")));
  EXPECT_THAT(check(repeats("label")), FieldIs("spec.preference.column"));
  const auto nested = [](Spec& s) {
    s.proportion.column = "label";
    auto within = std::make_shared<sampling::Proportion>();
    within->column = "key";
    s.proportion.within = within;
  };
  EXPECT_THAT(check(nested), FieldIs("spec.proportion.within.column"));
  Spec spec;
  nested(spec);
  const auto of_choice = [&](const std::string& preset, bool column_given, auto set) {
    Spec s;
    s.eligible.all.resize(1);
    s.eligible.all[0].column = "key";
    set(s);
    return CheckColumns(s, dataset, {preset, column_given});
  };
  const auto within = [](Spec& s) { s.eligible.all[0].within = "quality"; };
  EXPECT_THAT(of_choice("quality_filter", true, within), FieldIs("preset.columns[within]"));
  const auto quality = [](Spec& s) { s.eligible.all[0].column = "none"; };
  EXPECT_THAT(of_choice("quality_filter", true, quality), FieldIs("preset.column"));
  EXPECT_THAT(of_choice("quality_filter", false, quality), FieldIs("preset.columns[quality]"));
  const auto blocks = [](const std::string& column, uint64_t length, uint64_t gap) {
    return [=](Spec& s) {
      s.draw.kind = sampling::Draw::Kind::kBlocks;
      s.draw.block_column = column;
      s.draw.block_length = length;
      s.draw.block_gap = gap;
    };
  };
  EXPECT_OK(check(blocks("key", 4, 3)));
  EXPECT_THAT(check(blocks("time", 1, 0)), FieldIs("spec.draw.blocks.column"));
  EXPECT_THAT(check(blocks("classes", 1, 0)), FieldIs("spec.draw.blocks.column"));
  EXPECT_THAT(check(blocks("key", 5, 0)), FieldIs("spec.draw.blocks.length"));
  EXPECT_THAT(check(blocks("key", 1, 4)), FieldIs("spec.draw.blocks.gap"));
  const auto of_preset = [&](uint64_t length, uint64_t gap) {
    Spec s;
    blocks("key", length, gap)(s);
    return CheckColumns(s, dataset, {"time_block"});
  };
  EXPECT_THAT(of_preset(5, 0), FieldIs("preset.parameters[length]"));
  EXPECT_THAT(of_preset(1, 4), FieldIs("preset.parameters[gap]"));
}

TEST(SpecCheckTest, AnEpochMustHaveASlot) {
  const Dataset dataset = Small();  // of 4 samples
  Spec spec;
  spec.draw.fraction = .25;
  EXPECT_OK(CheckColumns(spec, dataset, DefinedBy{}));
  spec.draw.fraction = .2;
  const absl::Status refused = CheckColumns(spec, dataset, DefinedBy{});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("0.2 of 4 samples is no slot: at least 0.25 is needed")));
  EXPECT_THAT(refused, FieldIs("spec.draw.fraction"));
  EXPECT_THAT(CheckColumns(spec, dataset, DefinedBy{"rs2"}),
              FieldIs("preset.parameters[fraction]"));
  Spec blocks = spec;  // rounded up
  blocks.draw.kind = sampling::Draw::Kind::kBlocks;
  blocks.draw.block_column = "key";
  blocks.draw.block_length = 1;
  EXPECT_OK(CheckColumns(blocks, dataset, DefinedBy{}));

  spec.draw.fraction = .25;  // of what the filter leaves
  spec.eligible.all.resize(1);
  spec.eligible.all[0].column = "key";
  spec.eligible.all[0].kind = sampling::Predicate::Kind::kQuantile;
  spec.eligible.all[0].low = .5;
  EXPECT_THAT(CheckValues(spec, dataset, DefinedBy{}), FieldIs("spec.draw.fraction"));
  spec.draw.fraction = .5;
  EXPECT_OK(CheckValues(spec, dataset, DefinedBy{}));
}

TEST(SpecCheckTest, ValuesMustFit) {
  const Dataset dataset = Small();
  Spec spec;
  EXPECT_FALSE(NeedsValues(spec));
  spec.proportion.column = "label";
  EXPECT_FALSE(NeedsValues(spec));
  spec.proportion.kind = sampling::Proportion::Kind::kExplicit;
  const auto check = [&](std::map<int64_t, double> shares) {
    spec.proportion.shares = std::move(shares);
    EXPECT_TRUE(NeedsValues(spec));
    return CheckValues(spec, dataset, DefinedBy{});
  };
  EXPECT_OK(check({{1, .5}, {2, .5}}));
  const absl::Status missing = check({{1, 1}});
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("misses 2")));
  EXPECT_THAT(missing, FieldIs("spec.proportion.shares"));
  EXPECT_THAT(check({{1, .5}, {2, .4}, {7, .1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names 7")));

  spec.proportion = {};
  spec.proportion.size_column = "size";
  const absl::Status negative = CheckValues(spec, dataset, DefinedBy{});
  EXPECT_THAT(negative, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("-3 at sample 2")));
  EXPECT_THAT(negative, FieldIs("spec.proportion.size_column"));
  spec.proportion.size_column = "quality";
  EXPECT_THAT(CheckValues(spec, dataset, DefinedBy{}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("nan at sample 2")));
  spec.proportion.size_column = "key";
  EXPECT_OK(CheckValues(spec, dataset, DefinedBy{}));
}

TEST(SpecCheckTest, AnOpenEpochOfRepeatsIsChargedAsLongAsItIs) {
  Spec spec;
  spec.preference.kind = sampling::Preference::Kind::kRepeatFactor;
  spec.preference.column = "classes";
  spec.preference.threshold = .1;
  ASSERT_OK(sampling::ResolveSpec(&spec));
  EXPECT_EQ(PlanBytes(spec, 100), 800 * (4 + 12) + 100 * 8);
  EXPECT_EQ(PlanBytes(spec, 100, 130), 130 * (4 + 12) + 100 * 8);
}

TEST(SpecCheckTest, RepeatFactorsMustMakeNoEpochThatIsTooLong) {
  Dataset dataset;
  dataset.proto.set_num_samples(100);
  LabelSets sets(100);
  for (uint32_t i = 0; i < 100; ++i) sets[i] = {i};
  dataset.columns["classes"] = Stored("classes", sets);
  Spec spec;
  spec.preference.kind = sampling::Preference::Kind::kRepeatFactor;
  spec.preference.column = "classes";
  spec.preference.threshold = 1;
  ASSERT_OK(sampling::ResolveSpec(&spec));
  EXPECT_TRUE(NeedsValues(spec));
  const absl::Status refused = CheckValues(spec, dataset, DefinedBy{});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("1 makes an epoch of 1000 positions over 100 eligible "
                                          "samples, which is more than 800")));
  EXPECT_THAT(refused, FieldIs("spec.preference.repeat_factor.threshold"));
  EXPECT_THAT(CheckValues(spec, dataset, DefinedBy{"repeat_factor"}),
              FieldIs("preset.parameters[threshold]"));
  spec.preference.threshold = .64;
  EXPECT_OK(CheckValues(spec, dataset, DefinedBy{}));
}

}  // namespace
}  // namespace subset
