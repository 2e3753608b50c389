// subsetctl against the fake server: what it prints, where, and its exit codes.

#include "client/cpp/subsetctl/subsetctl.h"

#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_server.h"
#include "tests/testing/temp_dir.h"

namespace subset::ctl {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kFingerprint[] = "00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff";

class SubsetctlTest : public ::testing::Test {
 protected:
  struct Result {
    int code;
    std::string out;
    std::string err;
  };

  SubsetctlTest() {
    unsetenv("SUBSETCTL_ENDPOINT");
    unsetenv("SUBSETCTL_TIMEOUT");
  }

  // Runs without adding the endpoint.
  Result RunBare(std::vector<std::string> arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Console console{in, out, err};
    console.columns = columns_;
    console.bold_titles = bold_;
    const int code = RunSubsetctl(arguments, console);
    return {code, out.str(), err.str()};
  }
  // `line` is split at blanks.
  Result Run(const std::string& line, const std::string& input = "") {
    std::vector<std::string> arguments = absl::StrSplit(line, ' ');
    arguments.insert(arguments.end(), {"--endpoint", server_.address()});
    return RunBare(arguments, input);
  }
  std::string Out(const std::string& line) {
    const Result result = Run(line);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  }
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_.File(name)) << text;
    return dir_.File(name);
  }
  void MakeRun() { Out("run create r --sampler d/s --global-batch-size 4 --seed 5"); }

  FakeServer server_;
  TempDir dir_;
  int columns_ = 0;
  bool bold_ = false;
};

TEST_F(SubsetctlTest, DatasetCreatePrintsTheDataset) {
  const std::string file = Write("train.csv", "label,quality\n3,0.5\n4,0.25\n");
  const Result result = Run(absl::StrCat("dataset create cifar --from ", file));
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, absl::StrCat("name             cifar\n"
                                     "uid              7\n"
                                     "samples          2\n"
                                     "columns version  1\n"
                                     "fingerprint      ",
                                     kFingerprint,
                                     "\n"
                                     "created          2023-11-14T22:13:20Z\n"
                                     "\n"
                                     "COLUMN   TYPE  DISTINCT  SHA256\n"
                                     "label    u8          10  abcdefabcdef\n"
                                     "quality  f32          -  abcdefabcdef\n"));
  EXPECT_EQ(result.err, "imported 2 samples, 2 columns, 10 B, 0 values missing\n");
  EXPECT_EQ(server_.column("cifar", "label"), "\x03\x04");
}

TEST_F(SubsetctlTest, DatasetCreateTakesColumnsFromSeveralFiles) {
  const std::string csv = Write("a.csv", "y,z\n1,0\n2,0\n");
  const std::string list = Write("b.txt", "0.5\n1.5\n");
  const Result result = Run(absl::StrCat("dataset create d --samples 2 --column label:u16=", csv,
                                         "#y --column score:f32=", list));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(server_.column("d", "label"), std::string("\x01\0\x02\0", 4));
  EXPECT_EQ(server_.column("d", "score").size(), 8u);
  EXPECT_EQ(server_.column("d", "z"), "");
}

TEST_F(SubsetctlTest, DatasetCreateSendsNothingWhenAFileIsWrong) {
  const std::string file = Write("train.csv", "label\n3\ncat\n");
  const std::string create = "dataset create d --from " + file;
  Result result = Run(create + " --column label:u8");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("line 3, column \"label\": \"cat\" is no number"),
                                EndsWith("next: subsetctl dataset create --help\n")));
  EXPECT_EQ(Run("dataset create d --from " + dir_.File("nobody.npy")).code, 1);
  const std::string good = Write("good.csv", "label\n3\n4\n");
  result = Run(absl::StrCat("dataset create d --samples 3 --from ", good));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("\"label\" has 2 values; 3 are needed"));
  result = Run(absl::StrCat("dataset create d --from ", good, " --column label=", good));
  EXPECT_EQ(result.code, 0) << "one file, named twice";
  result = Run(absl::StrCat("dataset create e --column a=", good, "#label --column a=", file));
  EXPECT_EQ(result.code, 1);
  result = Run("dataset create e --samples 3 --column label:u8");
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("names no file, and there is no --from"));
  EXPECT_THAT(server_.calls(), SizeIs(1));
}

TEST_F(SubsetctlTest, DatasetCreateDoesNotReplaceUnlessAsked) {
  Out("dataset create d --samples 5");
  const Result again = Run("dataset create d --samples 6");
  EXPECT_EQ(again.code, 1);
  EXPECT_EQ(again.err,
            "error: dataset \"d\" exists (ALREADY_EXISTS, field header.dataset)\n"
            "next: subsetctl dataset describe d\n");
  EXPECT_EQ(Run("dataset create d --samples 6 --update").code, 0);
}

TEST_F(SubsetctlTest, DatasetListTurnsThePages) {
  Out("dataset create cifar --samples 50000");
  Out("dataset create imagenet --samples 1281167");
  Out("dataset create a --samples 9");
  EXPECT_EQ(Out("dataset list"),
            "NAME        SAMPLES  COLUMNS  CREATED\n"
            "a                 9  -        2023-11-14T22:13:20Z\n"
            "cifar        50,000  -        2023-11-14T22:13:20Z\n"
            "imagenet  1,281,167  -        2023-11-14T22:13:20Z\n");
  const std::string json = Out("dataset list -o json");
  EXPECT_THAT(json, AllOf(StartsWith("{\n \"datasets\": [\n  {\n   \"name\": \"a\",\n"),
                          HasSubstr("\"num_samples\": \"1281167\""),
                          HasSubstr("\"next_page_token\": \"\"")));
}

TEST_F(SubsetctlTest, AnEmptyListIsItsTitles) {
  EXPECT_EQ(Out("dataset list"), "NAME  SAMPLES  COLUMNS  CREATED\n");
}

TEST_F(SubsetctlTest, WhatIsNotThereExitsWith3AndSaysWhereToLook) {
  const std::pair<std::string, std::string> cases[] = {
      {"dataset describe x",
       "error: dataset \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl dataset list\n"},
      {"dataset delete x --yes",
       "error: dataset \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl dataset list\n"},
      {"sampler describe d/x",
       "error: sampler \"d/x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl sampler list\n"},
      {"sampler update d/x --preset uniform",
       "error: sampler \"d/x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl dataset describe d\n"},
      {"sampler delete d/x --yes",
       "error: sampler \"d/x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl sampler list\n"},
      {"sampler presets x",
       "error: preset \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl sampler presets\n"},
      {"run describe x",
       "error: run \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl run list\n"},
      {"run delete x --yes",
       "error: run \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl run list\n"},
      {"draw x", "error: run \"x\" does not exist (NOT_FOUND)\nnext: subsetctl run list\n"},
      {"epoch open x 0", "error: run \"x\" does not exist (NOT_FOUND)\nnext: subsetctl run list\n"},
      {"report x --indices 1 --loss 2",
       "error: run \"x\" does not exist (NOT_FOUND)\n"
       "next: subsetctl run list\n"},
      {"endpoint health --service unknown",
       "error: health service \"unknown\" does not exist "
       "(NOT_FOUND)\nnext: subsetctl endpoint health\n"},
  };
  for (const auto& [line, err] : cases) {
    const Result result = Run(line);
    EXPECT_EQ(result.code, 3) << line;
    EXPECT_EQ(result.err, err) << line;
    EXPECT_THAT(result.out, IsEmpty()) << line;
  }
}

TEST_F(SubsetctlTest, ExitCodesFollowTheServersCode) {
  using grpc::StatusCode;
  const std::pair<StatusCode, int> cases[] = {
      {StatusCode::INVALID_ARGUMENT, 1},   {StatusCode::FAILED_PRECONDITION, 1},
      {StatusCode::RESOURCE_EXHAUSTED, 1}, {StatusCode::INTERNAL, 1},
      {StatusCode::DATA_LOSS, 1},          {StatusCode::NOT_FOUND, 3},
      {StatusCode::UNAUTHENTICATED, 4},    {StatusCode::PERMISSION_DENIED, 4},
      {StatusCode::DEADLINE_EXCEEDED, 5},
  };
  for (const auto& [code, exit] : cases) {
    for (const char* line :
         {"dataset list", "sampler list", "run list", "sampler presets", "run describe r",
          "dataset describe d", "endpoint health", "draw r", "epoch open r 0"}) {
      server_.FailNext({grpc::Status(code, "why")});
      const Result result = Run(line);
      EXPECT_EQ(result.code, exit) << line;
      EXPECT_THAT(result.err,
                  AllOf(HasSubstr(grpc::StatusCode::NOT_FOUND == code ? "NOT_FOUND" : "why"),
                        HasSubstr("\nnext: ")))
          << line;
    }
  }
}

TEST_F(SubsetctlTest, NobodyListeningExitsWith5) {
  const std::string address = FakeServer().address();
  const Result result = RunBare({"dataset", "list", "--endpoint", address});
  EXPECT_EQ(result.code, 5);
  EXPECT_THAT(result.err, StartsWith(absl::StrCat("error: ", address, ": ")));
  EXPECT_THAT(result.err,
              EndsWith(absl::StrCat("next: subsetctl endpoint health --endpoint ", address, "\n")));
  EXPECT_EQ(RunBare({"endpoint", "health", "--endpoint", address}).code, 5);
}

TEST_F(SubsetctlTest, TheEndpointComesFromTheEnvironmentToo) {
  setenv("SUBSETCTL_ENDPOINT", server_.address().c_str(), 1);
  EXPECT_EQ(RunBare({"dataset", "list"}).code, 0);
  setenv("SUBSETCTL_ENDPOINT", "127.0.0.1:1", 1);
  EXPECT_EQ(Run("dataset list").code, 0) << "the option goes before the environment";
  unsetenv("SUBSETCTL_ENDPOINT");
}

TEST_F(SubsetctlTest, MisuseExitsWith2BeforeAnyCall) {
  const char* const lines[] = {
      "nonsense",
      "dataset",
      "dataset nonsense",
      "dataset create",
      "dataset create d",
      "dataset create d --samples 0",
      "dataset create d --samples many",
      "dataset describe",
      "dataset describe a b",
      "dataset list --nonsense",
      "dataset list -o xml",
      "dataset list --timeout 30",
      "dataset list --timeout 0s",
      "dataset list --timeout -3s",
      "sampler create d/s",
      "sampler create d/s --preset a --spec b",
      "sampler create d/s -p a=1",
      "sampler create d/s --spec f --column label",
      "run create r --sampler d/s",
      "run create r --global-batch-size 3",
      "run create r --sampler d/s --global-batch-size -3",
      "epoch open r",
      "epoch open r -1",
      "epoch open r 0x10",
      "epoch open r 010",
      "epoch open r 18446744073709551616",
      "draw r --position -1",
      "run create r --sampler d/s --global-batch-size 4 --seed -1",
      "draw",
      "draw r --rank 1",
      "draw r --step 1 -n 4",
      "draw r --step 1 --position 4",
      "report r",
      "report r --indices 1",
      "report r --loss 1",
      "report r --values f --indices 1 --loss 1",
      "report r --indices 1 --loss 1 --durability maybe",
  };
  for (const char* line : lines) {
    const Result result = Run(line);
    EXPECT_EQ(result.code, 2) << line;
    EXPECT_THAT(result.err, AllOf(StartsWith("error: "), HasSubstr("\nnext: subsetctl"))) << line;
    EXPECT_THAT(result.out, IsEmpty()) << line;
  }
  EXPECT_THAT(Run("draw").err, EndsWith("next: subsetctl draw --help\n"));
  EXPECT_EQ(RunBare({}).code, 2);
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST_F(SubsetctlTest, HelpIsDataAndExitsWith0) {
  const Result result = RunBare({"dataset", "create", "--help"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, HasSubstr("--allow-missing"));
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(SubsetctlTest, DeleteAsksUnlessTold) {
  Out("dataset create d --samples 5");
  Result result = Run("dataset delete d", "n\n");
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "Delete dataset \"d\" and its samplers? [y/N] "
            "error: not confirmed: nothing was changed (FAILED_PRECONDITION)\n"
            "next: subsetctl dataset delete d --yes\n");
  EXPECT_EQ(Run("dataset delete d --force", "").code, 1) << "the end of the input is no yes";
  EXPECT_EQ(Run("dataset describe d").code, 0);
  result = Run("dataset delete d", "y\n");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, EndsWith("deleted dataset d\n"));
  EXPECT_THAT(result.out, IsEmpty());
  EXPECT_EQ(Run("dataset describe d").code, 3);

  MakeRun();
  EXPECT_EQ(Run("run delete r", "no\n").code, 1);
  EXPECT_EQ(Run("run delete r --yes").code, 0);
  Out("sampler create d/s --preset importance");
  EXPECT_EQ(Run("sampler delete d/s", "").code, 1);
  EXPECT_EQ(Run("sampler delete d/s", "yes\n").code, 0);
}

TEST_F(SubsetctlTest, DeleteOfWhatIsUsedSuggestsForce) {
  server_.FailNext(
      {DetailedError(grpc::StatusCode::FAILED_PRECONDITION, "2 runs use it", "", "IN_USE")});
  EXPECT_EQ(Run("dataset delete d --yes").err,
            "error: 2 runs use it (FAILED_PRECONDITION, reason IN_USE)\n"
            "next: subsetctl dataset delete d --force\n");
}

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

TEST_F(SubsetctlTest, HealthExitsWith6WhenNotServing) {
  Result result = Run("endpoint health");
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out,
              AllOf(HasSubstr(server_.address()), HasSubstr("(all)"), HasSubstr("SERVING")));
  server_.set_serving(false);
  result = Run("endpoint health --service readiness -o json");
  EXPECT_EQ(result.code, 6);
  EXPECT_EQ(result.out, absl::StrCat("{\n \"endpoint\": \"", server_.address(),
                                     "\",\n \"service\": \"readiness\",\n \"status\": "
                                     "\"NOT_SERVING\"\n}\n"));
  EXPECT_THAT(result.err, HasSubstr("is not serving"));
}

TEST_F(SubsetctlTest, VersionNeedsNoServer) {
  EXPECT_THAT(RunBare({"version"}).out, StartsWith("subsetctl "));
  EXPECT_THAT(RunBare({"version", "-o", "json"}).out, HasSubstr("\"api\": \"subset.v1\""));
}

TEST_F(SubsetctlTest, TablesAreCutToTheTerminalAndBoldOnlyWhenAsked) {
  Out("dataset create cifar --samples 50000");
  columns_ = 20;
  EXPECT_EQ(Out("dataset list"), "NAME   SAMPLES  COL…\ncifar   50,000  -  …\n");
  columns_ = 0;
  EXPECT_THAT(Out("dataset list"), Not(HasSubstr("\033")));
  bold_ = true;
  EXPECT_THAT(Out("dataset list"), StartsWith("\033[1mNAME   SAMPLES  COLUMNS  CREATED\033[0m\n"));
}

}  // namespace
}  // namespace subset::ctl
