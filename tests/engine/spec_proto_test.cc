// Every choice of a sampler, from the API to the sampling room and back.

#include "engine/spec_proto.h"

#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::SamplerSpec Parse(const std::string& text) {
  v1::SamplerSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

// What is given comes back, with defaults written out beside it; given again, it is the same.
TEST(SpecProtoTest, EveryChoiceSurvives) {
  for (const std::string& text : std::vector<std::string>{
           "",
           "eligible { all { column: 'label' in { values: 1 values: 2 } }"
           "           all { column: 'label' not_in { values: 7 } missing: KEEP }"
           "           all { column: 'quality' range { minimum: 0.5 maximum: 0.75 } }"
           "           all { column: 'quality' quantile { low: 0.1 high: 0.9 } within: 'label'"
           "                 minimum_keep: 0.2 } }",
           "eligible { all { score: 'loss' range { maximum: 9 } missing: DROP } }",
           "eligible { all { column: 'classes' any_of { values: 1 values: 2 } }"
           "           all { column: 'classes' all_of { values: 7 } }"
           "           all { column: 'classes' none_of { values: 3 } } }",
           "proportion { kind: TEMPERATURE column: 'domain' temperature: 5 size_column: 'seconds'"
           "             within { kind: EQUAL column: 'dialect' } }",
           "proportion { kind: EFFECTIVE_NUMBER column: 'label' effective_beta: 0.999 }",
           "proportion { kind: EFFECTIVE_NUMBER column: 'label' effective_beta: 0.9"
           "             effective_by_stratum: true }",
           "proportion { kind: EXPLICIT column: 'label' shares { key: -1 value: 0.25 }"
           "             shares { key: 4 value: 0.75 } }",
           "proportion { kind: UNIMAX column: 'label' max_epochs: 4 }",
           "proportion { kind: GROUP_DRO column: 'label' eta: 0.02 adjustment: 1 }",
           "proportion { kind: DOREMI column: 'label' eta: 0.5 epsilon: 0.01 }",
           "proportion { kind: ODM column: 'label' }",
           "proportion { kind: EQUAL column: 'label' exact_quotas: true }",
           "preference { uniform {} }",
           "preference { score_power { score: 'margin' alpha: 2 } }",
           "preference { below_mean_pruning { ratio: 0.5 delta: 0.875 total_epochs: 9"
           "                                 scale: BATCH_MEAN } }",
           "preference { rank { law: POWER alpha: 0.7 } }",
           "preference { rank { score: 'loss' law: EXPONENTIAL pressure: 100 } }",
           "preference { softmax { temperature: 2 } }",
           "preference { band { smallest: true skip: 0.1 keep: 0.5 } }",
           "preference { keep_probability { beta: 2 least: 0.1 } }",
           "preference { self_paced { threshold: 3 soft: true } }",
           "preference { recency { half_life: 30 now: 17 } column: 'time' }",
           "preference { repeat_factor { threshold: 0.001 } column: 'classes' }",
           "preference { score_power { alpha: 1 } column: 'quality' }",
           "preference { softmax { temperature: 1 } irreducible: 'il'"
           "             missing_irreducible: STRATUM_MEAN }",
           "draw { kind: EPOCH fraction: 0.25 }",
           "draw { kind: WITH_REPLACEMENT jittered: true } preference { score_power { alpha: 1 } }",
           "draw { kind: SYSTEMATIC fraction: 0.5 } preference { score_power { alpha: 1 } }",
           "draw { kind: INDEPENDENT fraction: 0.5 } preference { score_power { alpha: 1 } }",
           "draw { kind: ROUNDS fraction: 0.1 }",
           "draw { kind: BOOTSTRAP bootstrap { form: BAYESIAN bag: 3 } }",
           "draw { kind: BLOCKS fraction: 0.5"
           "       blocks { column: 'time' form: FIXED length: 10 gap: 2 } }",
           "draw { kind: PROVIDED }",
           "preference { score_power { alpha: 1 } }"
           "guard { uniform_floor: 0.1 unscored: PRIOR unscored_prior: 2 refresh: 0.2"
           "        stale_fraction: 0.3 }",
           "preference { score_power { alpha: 1 } } guard { max_repeats: 4 }",
           "preference { score_power { alpha: 1 } } guard { uniform_floor: 0.5"
           "  floor_by_target: true }",
           "preference { score_power { alpha: 1 } }"
           "weight { beta: 0.4 clip: 8 normalise: MAXIMUM }",
           "preference { score_power { alpha: 1 } } weight { normalise: SELF }",
           "preference { score_power { alpha: 1 } } snapshot: SNAPSHOT_LIVE",
           "preference { score_power { alpha: 1 } } snapshot: SNAPSHOT_EVERY_N snapshot_every: 100",
           "preference { score_power {} }"
           "schedules { key: 'preference.score_power.alpha'"
           "            value { unit: EPOCHS points { at: 0 value: 1 curve: COSINE }"
           "                    points { at: 10 value: 2 curve: HOLD } } }",
       }) {
    const v1::SamplerSpec given = Parse(text);
    const auto spec = SpecFromProto(given);
    ASSERT_OK(spec) << text;
    const v1::SamplerSpec written = SpecToProto(*spec);
    const auto again = SpecFromProto(written);
    ASSERT_OK(again) << text;
    EXPECT_TRUE(MessageDifferencer::Equals(SpecToProto(*again), written)) << text;
    v1::SamplerSpec kept = given;
    // The number that follows a schedule stands at the schedule's first value.
    if (!given.schedules().empty()) kept.clear_preference();
    MessageDifferencer differencer;
    std::string differences;
    differencer.ReportDifferencesToString(&differences);
    differencer.set_scope(MessageDifferencer::PARTIAL);
    EXPECT_TRUE(differencer.Compare(kept, written)) << text << "\n" << differences;
  }
}

TEST(SpecProtoTest, AnExponentIsTheInverseOfATemperature) {
  const auto spec = SpecFromProto(
      Parse("proportion { kind: TEMPERATURE column: 'label' exponent: 0.2"
            "             within { kind: TEMPERATURE column: 'dialect' exponent: 0.5 } }"));
  ASSERT_OK(spec);
  EXPECT_EQ(SpecToProto(*spec).proportion().temperature(), 5);
  EXPECT_EQ(SpecToProto(*spec).proportion().exponent(), 0);
  EXPECT_EQ(SpecToProto(*spec).proportion().within().temperature(), 2);
  const auto refused = [](const std::string& proportion) {
    return SpecFromProto(Parse("proportion { column: 'label' " + proportion + " }")).status();
  };
  for (const char* wrong : {"kind: TEMPERATURE exponent: -1", "kind: TEMPERATURE exponent: 2e6",
                            "kind: TEMPERATURE exponent: nan", "kind: EQUAL exponent: 1",
                            "kind: TEMPERATURE exponent: 1 temperature: 1"}) {
    EXPECT_THAT(refused(wrong), FieldIs("spec.proportion.exponent")) << wrong;
  }
  EXPECT_THAT(refused("kind: EQUAL effective_by_stratum: true"),
              FieldIs("spec.proportion.effective_by_stratum"));
}

}  // namespace
}  // namespace subset
