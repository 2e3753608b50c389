// subsetctl's samplers, runs, epochs, draws and reports: what it prints.

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/subsetctl_fixture.h"

namespace subset::ctl {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(SubsetctlTest, SamplerCreateFromAPreset) {
  EXPECT_EQ(Out("sampler create d/s --preset importance -p alpha=2 -p lambda=0.1 --column label"),
            "name     d/s\n"
            "uid      8\n"
            "version  1\n"
            "preset   importance\n"
            "created  2023-11-14T22:13:20Z\n"
            "\n"
            "preference {\n"
            "  score_power {\n"
            "    score: \"loss\"\n"
            "    alpha: 2\n"
            "  }\n"
            "}\n");
  EXPECT_THAT(Out("sampler update d/s --preset importance"), HasSubstr("version  2\n"));
  EXPECT_EQ(Out("sampler list d"),
            "NAME  VERSION  PRESET      CREATED\n"
            "d/s         2  importance  2023-11-14T22:13:20Z\n");
}

TEST_F(SubsetctlTest, SamplerCreateFromASpec) {
  const std::string good = Write("s.textproto", "draw { kind: EPOCH fraction: 0.1 }\n");
  EXPECT_THAT(Out("sampler create d/s --spec " + good),
              AllOf(HasSubstr("preset   -\n"), HasSubstr("fraction: 0.1")));
  const std::string bad = Write("bad.textproto", "draw {\n  kind: SOMETIMES\n}\n");
  const Result result = Run("sampler create d/s --spec " + bad);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("bad.textproto:"), HasSubstr("SOMETIMES")));
  EXPECT_THAT(Run("sampler create d/s --spec " + dir_.File("none")).err,
              HasSubstr("cannot be read"));
}

TEST_F(SubsetctlTest, SamplerParametersAreChecked) {
  for (const char* parameter : {"alpha", "alpha=", "=1", "alpha=x"}) {
    const Result result =
        Run(absl::StrCat("sampler create d/s --preset importance -p ", parameter));
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr("is not NAME=NUMBER")) << parameter;
  }
  EXPECT_THAT(Run("sampler create d/s --preset importance -p a=1 -p a=2").err,
              HasSubstr("names a twice"));
  EXPECT_EQ(Run("sampler create d/s --preset importance -p alpha=17").err,
            "error: preset.parameters[alpha] 17 is outside (0, 16] (INVALID_ARGUMENT, field "
            "preset.parameters[alpha], reason INVALID_FIELD)\n"
            "next: subsetctl sampler presets\n");
}

TEST_F(SubsetctlTest, PresetsAreListedAndShown) {
  EXPECT_EQ(Out("sampler presets"),
            "NAME        PARAMETERS              UNBIASED FOR               SOURCE\n"
            "importance  alpha=1 total_epochs=?  natural mean, every batch  Katharopoulos and "
            "Fleuret, 2018\n");
  EXPECT_EQ(Out("sampler presets importance"),
            "name          importance\n"
            "source        Katharopoulos and Fleuret, 2018\n"
            "formula       q_i = (1-lambda) s_i^alpha / sum + lambda / N\n"
            "unbiased for  natural mean, every batch\n"
            "\n"
            "PARAMETER      DEFAULT  RANGE      MEANING\n"
            "alpha                1  (0, 16]    exponent of the score\n"
            "total_epochs  required  [1, 2^31)  length of the training\n");
}

TEST_F(SubsetctlTest, RunsAreCreatedListedAndDescribed) {
  Out("run create r --sampler d/s --global-batch-size 1024 --seed 5 --drop-last "
      "--feedback-timeout 90.5s");
  Out("epoch open r 3 --now");
  EXPECT_EQ(Out("run list"),
            "NAME  SAMPLER  SEED  BATCH  EPOCH  SCORED  SAMPLES  CREATED\n"
            "r     d/s         5  1,024      3       0      100  2023-11-14T22:13:20Z\n");
  EXPECT_EQ(Out("run describe r"),
            "name               r\n"
            "uid                9\n"
            "sampler            d/s\n"
            "samples            100\n"
            "scored             0\n"
            "seed               5\n"
            "global batch size  1,024\n"
            "drop last          yes\n"
            "feedback timeout   1m30.5s\n"
            "score version      0.0\n"
            "created            2023-11-14T22:13:20Z\n"
            "\n"
            "EPOCH  POSITIONS  STEPS  DISTINCT  REPORTED     ESS  SAMPLER  SCORES  OPENED\n"
            "    3         20      5        20         0  75.0 %       v1     0.0  explicit\n");
  for (const char* timeout : {"90", "-1s", "25h", "inf"}) {
    EXPECT_EQ(Run(absl::StrCat("run create q --sampler d/s --global-batch-size 4 "
                               "--feedback-timeout=",
                               timeout))
                  .code,
              1)
        << timeout;
  }
}

TEST_F(SubsetctlTest, EpochOpenPrintsTheEpoch) {
  MakeRun();
  EXPECT_EQ(Out("epoch open r 0"),
            "EPOCH  POSITIONS  STEPS  DISTINCT  REPORTED     ESS  SAMPLER  SCORES  OPENED\n"
            "    0         20      5        20         0  75.0 %       v1     0.0  first\n");
  EXPECT_THAT(Out("epoch open r 0 -o json"), HasSubstr("\"opened\": \"FIRST\""));
}

TEST_F(SubsetctlTest, AnEpochThatWaitsTooLongSuggestsNow) {
  MakeRun();
  server_.FailNext({grpc::Status::OK, grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "waited")});
  const Result result = Run("epoch open r 7");
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, EndsWith("next: subsetctl epoch open r 7 --now\n"));
}

TEST_F(SubsetctlTest, DrawPrintsIndicesProbabilitiesAndWeights) {
  MakeRun();
  const Result result = Run("draw r --epoch 1 --position 13 -n 3");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out,
            "POSITION  INDEX  PROBABILITY  WEIGHT\n"
            "      13     92         0.01     0.5\n"
            "      14     99         0.01       2\n"
            "      15      6         0.01     0.5\n");
  EXPECT_EQ(result.err,
            "3 samples; probability: per draw; unbiased over: batch; sampler v1; scores 0.0\n");
}

TEST_F(SubsetctlTest, DrawAsJsonHasPlainLists) {
  MakeRun();
  EXPECT_EQ(Out("draw r --step 2 --rank 0 --world-size 1 -o json"),
            "{\n"
            " \"run\": \"r\",\n"
            " \"epoch\": 0,\n"
            " \"position\": 8,\n"
            " \"step\": 2,\n"
            " \"attempt\": 1,\n"
            " \"indices\": [56, 63, 70, 77],\n"
            " \"probability\": 0.01,\n"
            " \"weights\": [0.5, 2, 0.5, 2],\n"
            " \"probability_kind\": \"PROBABILITY_KIND_PER_DRAW\",\n"
            " \"unbiased_over\": \"UNBIASED_OVER_BATCH\",\n"
            " \"sampler_version\": 1,\n"
            " \"score_version\": {\"incarnation\": 0, \"records\": 0},\n"
            " \"padding\": 0,\n"
            " \"global_samples\": 4\n"
            "}\n");
}

TEST_F(SubsetctlTest, DrawPastTheEndSaysWhereTheEndIs) {
  MakeRun();
  const Result result = Run("draw r --position 20");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "error: position 20 is past the epoch's 20 positions (OUT_OF_RANGE, reason EPOCH_END)\n"
            "next: subsetctl run describe r\n");
}

TEST_F(SubsetctlTest, ReportSendsListsAndFiles) {
  MakeRun();
  EXPECT_EQ(Out("report r --epoch 1 --position 4 --step 9 --indices 17,42 --loss 0.5,2"),
            "applied               2\n"
            "already acknowledged  0\n"
            "durability            durable\n"
            "score version         1.1\n");
  const std::string file = Write("v.csv", "loss,index,margin\n0.5,17,1\n0.25,3,2\n1,17,3\n");
  EXPECT_THAT(Out("report r --values " + file + " --durability applied -o json"),
              HasSubstr("\"applied_items\": 3"));
  const auto reports = server_.reports();
  ASSERT_THAT(reports, SizeIs(2));
  const v1::Feedback& first = reports[0].feedback(0);
  EXPECT_EQ(first.epoch(), 1u);
  EXPECT_EQ(first.position(), 4u);
  EXPECT_EQ(first.step(), 9u);
  EXPECT_EQ(first.indices(), std::string("\x11\0\0\0\x2a\0\0\0", 8));
  EXPECT_EQ(first.values(0).name(), "loss");
  EXPECT_EQ(reports[1].durability(), v1::DURABILITY_APPLIED);
  EXPECT_FALSE(reports[1].feedback(0).has_position()) << "nothing is acknowledged";
  ASSERT_EQ(reports[1].feedback(0).values_size(), 2);
  EXPECT_EQ(reports[1].feedback(0).values(1).name(), "margin");
}

TEST_F(SubsetctlTest, ReportOfManyItemsIsSeveralMessages) {
  MakeRun();
  std::string text = "index,loss\n";
  for (int i = 0; i < 20'000; ++i) absl::StrAppend(&text, i, ",0.5\n");
  EXPECT_THAT(Out("report r --position 0 --values " + Write("many.csv", text)),
              HasSubstr("applied               20,000\n"));
  const auto reports = server_.reports();
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].feedback(0).indices().size(), 4u * 16384);
  EXPECT_EQ(reports[1].feedback(0).position(), 16384u);
}

TEST_F(SubsetctlTest, ReportIsCheckedBeforeItIsSent) {
  MakeRun();
  const std::pair<std::string, std::string> cases[] = {
      {"--indices 1,2 --loss 1", "has 1 values for 2 indices"},
      {"--indices 1,x --loss 1,2", "item 2: \"x\" is no number"},
      {"--indices -1 --loss 1", "item 1: -1 is outside u32"},
      {"--indices 1 --loss nan", "item 1: a missing value"},
      {"--indices 1 --loss inf", "item 1: an infinite value"},
      {"--values " + Write("a.csv", "loss\n1\n"), "needs a header with \"index\""},
      {"--values " + Write("b.csv", "index\n1\n"), "needs a header with \"index\""},
      {"--values " + Write("c.csv", "index,loss\n1,cat\n"), "line 2"},
  };
  for (const auto& [options, error] : cases) {
    const Result result = Run("report r " + options);
    EXPECT_EQ(result.code, 1) << options;
    EXPECT_THAT(result.err, HasSubstr(error)) << options;
  }
  EXPECT_THAT(server_.reports(), IsEmpty());
}

}  // namespace
}  // namespace subset::ctl
