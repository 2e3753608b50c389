// subsetctl as a whole, and its datasets: what it prints, where, and its exit codes.

#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/detailed_error.h"
#include "tests/client/subsetctl_fixture.h"

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
  rich_ = true;
  EXPECT_THAT(Out("dataset list"), StartsWith("\033[1mNAME   SAMPLES  COLUMNS  CREATED\033[0m\n"));
}

}  // namespace
}  // namespace subset::ctl
