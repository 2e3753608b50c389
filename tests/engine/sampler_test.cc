// The calls about samplers, and their definitions between API and sampling.

#include "engine/spec_proto.h"
#include "sampling/presets.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(SamplerTest, DefaultsAreWrittenOut) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 100));
  v1::SamplerSpec spec;
  spec.mutable_preference()->mutable_score_power()->set_alpha(2);
  ASSERT_OK_AND_ASSIGN(const v1::Sampler sampler, t.CreateSampler("d/s", spec));
  EXPECT_EQ(sampler.version(), 1u);
  EXPECT_EQ(sampler.preset(), "");
  EXPECT_EQ(sampler.spec().preference().score_power().score(), "loss");
  EXPECT_EQ(sampler.spec().draw().kind(), v1::Draw::WITH_REPLACEMENT);
  EXPECT_EQ(sampler.spec().draw().fraction(), 1);
  EXPECT_EQ(sampler.spec().guard().unscored(), v1::Guard::MEAN);
  EXPECT_EQ(sampler.spec().weight().target(), v1::Weight::NATURAL);
  EXPECT_EQ(sampler.spec().weight().beta(), 1);
  EXPECT_EQ(sampler.spec().snapshot(), v1::SNAPSHOT_EPOCH);
}

// A resolved definition, given again, is the same definition.
TEST(SamplerTest, EveryPresetSurvivesItsProto) {
  const v1::ListPresetsResponse presets = PresetsToProto();
  for (const v1::Preset& preset : presets.presets()) {
    v1::PresetChoice choice;
    choice.set_name(preset.name());
    for (const auto& parameter : preset.parameters()) {
      if (!parameter.has_default_value()) (*choice.mutable_parameters())[parameter.name()] = 20;
    }
    ASSERT_OK_AND_ASSIGN(const sampling::SamplerSpec spec, SpecFromPreset(choice));
    const v1::SamplerSpec proto = SpecToProto(spec);
    ASSERT_OK_AND_ASSIGN(const sampling::SamplerSpec again, SpecFromProto(proto));
    EXPECT_EQ(SpecToProto(again).SerializeAsString(), proto.SerializeAsString()) << preset.name();
  }
}

TEST(SamplerTest, ThePresetTableIsServed) {
  TestEngine t;
  const v1::ListPresetsResponse served = t.engine->ListPresets();
  ASSERT_EQ(static_cast<size_t>(served.presets_size()), sampling::Presets().size());
  for (int i = 0; i < served.presets_size(); ++i) {
    const sampling::Preset& preset = sampling::Presets()[i];
    EXPECT_EQ(served.presets(i).name(), preset.name);
    EXPECT_EQ(static_cast<size_t>(served.presets(i).parameters_size()), preset.parameters.size());
    EXPECT_EQ(static_cast<size_t>(served.presets(i).columns_size()), preset.columns.size());
  }
}

TEST(SamplerTest, TheSameDefinitionAgainChangesNothing) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 100));
  ASSERT_OK_AND_ASSIGN(const v1::Sampler first, t.CreateSampler("d/s", "uniform"));
  ASSERT_OK_AND_ASSIGN(const v1::Sampler again, t.CreateSampler("d/s", "uniform"));
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  EXPECT_THAT(t.CreateSampler("d/s", "class_balanced"), StatusIs(absl::StatusCode::kAlreadyExists));
  ASSERT_OK_AND_ASSIGN(const v1::Sampler updated, t.UpdateSampler("d/s", "class_balanced"));
  EXPECT_EQ(updated.version(), 2u);
  EXPECT_EQ(updated.uid(), first.uid());
  EXPECT_EQ(updated.spec().proportion().column(), "label");
  ASSERT_OK_AND_ASSIGN(const v1::Sampler repeated, t.UpdateSampler("d/s", "class_balanced"));
  EXPECT_EQ(repeated.version(), 2u);
  t.CrashAndReopen();
  v1::GetSamplerRequest get;
  get.set_name("d/s");
  EXPECT_EQ(t.engine->GetSampler(get)->SerializeAsString(), updated.SerializeAsString());
}

TEST(SamplerTest, WhatIsNamedMustExist) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("data", 100));
  EXPECT_THAT(t.CreateSampler("dta/s", "uniform"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"data\"")));
  EXPECT_THAT(t.UpdateSampler("data/s", "uniform"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(t.DeleteSampler("data/s"), StatusIs(absl::StatusCode::kNotFound));
  v1::GetSamplerRequest get;
  get.set_name("data/s");
  EXPECT_THAT(t.engine->GetSampler(get), StatusIs(absl::StatusCode::kNotFound));
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_column("lable");
  const auto missing = t.CreateSampler("data/s", spec);
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound, HasSubstr("did you mean \"label\"")));
  EXPECT_THAT(missing, FieldIs("spec.proportion.column"));
}

TEST(SamplerTest, BadDefinitionsNameTheField) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 3,
                     {{ColumnOf("label", v1::COLUMN_TYPE_UINT8), "abc"},
                      {ColumnOf("quality", v1::COLUMN_TYPE_FLOAT32), std::string(12, '\0')}}));
  const auto field_of = [&t](const v1::SamplerSpec& spec) {
    const auto created = t.CreateSampler("d/s", spec);
    EXPECT_THAT(created, StatusIs(kInvalid));
    return ErrorField(created.status()).value_or("");
  };
  const auto unknown = [](auto value) { return static_cast<decltype(value)>(99); };
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(unknown(v1::Proportion::EQUAL));
  EXPECT_EQ(field_of(spec), "spec.proportion.kind");
  spec.Clear();
  spec.mutable_proportion()->set_kind(v1::Proportion::EQUAL);
  EXPECT_EQ(field_of(spec), "spec.proportion.column");
  spec.mutable_proportion()->set_column("quality");
  EXPECT_EQ(field_of(spec), "spec.proportion.column");
  spec.Clear();
  spec.mutable_preference()->mutable_score_power()->set_alpha(17);
  EXPECT_EQ(field_of(spec), "spec.preference.score_power.alpha");
  spec.mutable_preference()->mutable_below_mean_pruning()->set_ratio(0.5);
  spec.mutable_preference()->mutable_below_mean_pruning()->set_delta(0.5);
  EXPECT_EQ(field_of(spec), "spec.preference.below_mean_pruning.total_epochs");
  spec.mutable_preference()->mutable_below_mean_pruning()->set_total_epochs(10);
  spec.mutable_preference()->mutable_below_mean_pruning()->set_scale(
      unknown(v1::Preference::BelowMeanPruning::EPOCH_SUM));
  EXPECT_EQ(field_of(spec), "spec.preference.below_mean_pruning.scale");
  spec.Clear();
  spec.mutable_draw()->set_kind(unknown(v1::Draw::EPOCH));
  EXPECT_EQ(field_of(spec), "spec.draw.kind");
  spec.mutable_draw()->set_kind(v1::Draw::EPOCH);
  spec.mutable_draw()->set_fraction(-0.5);
  EXPECT_EQ(field_of(spec), "spec.draw.fraction");
  spec.Clear();
  spec.mutable_guard()->set_unscored(unknown(v1::Guard::MEAN));
  EXPECT_EQ(field_of(spec), "spec.guard.unscored");
  spec.mutable_guard()->clear_unscored();
  spec.mutable_guard()->set_uniform_floor(1.5);
  EXPECT_EQ(field_of(spec), "spec.guard.uniform_floor");
  spec.Clear();
  spec.mutable_weight()->set_target(unknown(v1::Weight::NATURAL));
  EXPECT_EQ(field_of(spec), "spec.weight.target");
  spec.mutable_weight()->clear_target();
  spec.mutable_weight()->set_beta(NAN);
  EXPECT_EQ(field_of(spec), "spec.weight.beta");
  spec.Clear();
  spec.set_snapshot(unknown(v1::SNAPSHOT_LIVE));
  EXPECT_EQ(field_of(spec), "spec.snapshot");
  spec.set_snapshot(v1::SNAPSHOT_LIVE);
  EXPECT_EQ(field_of(spec), "spec.snapshot");

  EXPECT_THAT(t.CreateSampler("d/s", "unform"),
              StatusIs(kInvalid, HasSubstr("did you mean \"uniform\"")));
  EXPECT_THAT(t.CreateSampler("d/s", "uniform", {{"fracton", 1}}), StatusIs(kInvalid));
  EXPECT_THAT(t.CreateSampler("d/s", "infobatch"), FieldIs("preset.parameters[total_epochs]"));
  Pending<absl::StatusOr<v1::Sampler>> created;
  v1::CreateSamplerRequest nothing;
  nothing.set_name("d/s");
  t.engine->CreateSampler(nothing, created.Callback());
  EXPECT_THAT(created.Wait(), FieldIs("definition"));
  for (const char* name : {"s", "d/", "/s", "d/s/t", "D/s", ""}) {
    EXPECT_THAT(t.CreateSampler(name, "uniform"), FieldIs("name")) << name;
  }
  EXPECT_TRUE(t.engine->ListSamplers({})->samplers().empty());
}

TEST(SamplerTest, AColumnOfTooManyValuesIsNotStrata) {
  TestEngine t;
  std::vector<uint32_t> keys(70000);
  for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<uint32_t>(i);
  ASSERT_OK(t.Import("d", keys.size(), {{ColumnOf("key", v1::COLUMN_TYPE_UINT32), Encode(keys)}}));
  v1::SamplerSpec spec;
  spec.mutable_proportion()->set_kind(v1::Proportion::EQUAL);
  spec.mutable_proportion()->set_column("key");
  EXPECT_THAT(t.CreateSampler("d/s", spec), StatusIs(kInvalid, HasSubstr("65536")));
}

TEST(SamplerTest, ListsThoseOfADataset) {
  TestEngine t;
  ASSERT_OK(t.Import("a", 1, {}));
  ASSERT_OK(t.Import("b", 1, {}));
  for (const char* name : {"b/x", "a/z", "a/y"}) ASSERT_OK(t.CreateSampler(name, "uniform"));
  const auto names = [&t](const std::string& dataset) {
    v1::ListSamplersRequest request;
    request.set_dataset(dataset);
    std::string names;
    const auto samplers = t.engine->ListSamplers(request);
    for (const auto& sampler : samplers->samplers()) {
      names += sampler.name() + " ";
    }
    return names;
  };
  EXPECT_EQ(names(""), "a/y a/z b/x ");
  EXPECT_EQ(names("b"), "b/x ");
  v1::ListSamplersRequest request;
  request.set_dataset("c");
  EXPECT_THAT(t.engine->ListSamplers(request), StatusIs(absl::StatusCode::kNotFound));
  request.clear_dataset();
  request.set_page_token("a//");
  EXPECT_THAT(t.engine->ListSamplers(request).status(), FieldIs("page_token"));
  request.set_page_token("a/y");
  request.set_page_size(1);
  EXPECT_EQ(t.engine->ListSamplers(request)->samplers(0).name(), "a/z");
}

TEST(SamplerTest, DeletingTakesItsRunsWhenForced) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 10, {}));
  ASSERT_OK(t.CreateSampler("d/s", "uniform"));
  ASSERT_OK(t.CreateRun("r", "d/s", 2));
  EXPECT_THAT(t.DeleteSampler("d/s"), ReasonIs("IN_USE"));
  ASSERT_OK(t.DeleteSampler("d/s", /*force=*/true));
  EXPECT_TRUE(t.engine->ListRuns({})->runs().empty());
}

}  // namespace
}  // namespace subset
