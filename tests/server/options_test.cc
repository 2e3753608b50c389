#include "server/options.h"

#include <string>
#include <vector>

#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// Flags are the process's: each test gives them back as it found them.
class OptionsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Command> Parse(std::vector<std::string> args, std::vector<std::string> env = {}) {
    return ParseCommand(args, env);
  }

 private:
  absl::FlagSaver saver_;
};

TEST_F(OptionsTest, DefaultsAreThoseOfTheStruct) {
  ASSERT_OK_AND_ASSIGN(const Command command, Parse({"--data_dir=d"}));
  EXPECT_EQ(command.kind, Command::Kind::kServe);
  EXPECT_EQ(command.options.data_dir, "d");
  EXPECT_EQ(command.options.listen, "0.0.0.0:50051");
  EXPECT_EQ(command.options.metrics_listen, "0.0.0.0:9090");
  EXPECT_EQ(command.options.drain_delay, absl::Seconds(5));
  EXPECT_EQ(command.options.drain_deadline, absl::Seconds(20));
  EXPECT_FALSE(command.options.reflection);
  EXPECT_EQ(command.options.max_message_bytes, 4u << 20);
  EXPECT_EQ(command.options.max_concurrent_streams, 100u);
}

TEST_F(OptionsTest, FlagWinsOverEnvironmentWinsOverDefault) {
  ASSERT_OK_AND_ASSIGN(const Command command,
                       Parse({"--keep_plans=7"}, {"SUBSET_DATA_DIR=e", "SUBSET_KEEP_PLANS=5",
                                                  "SUBSET_DRAIN_DELAY=250ms", "OTHER=1"}));
  EXPECT_EQ(command.options.data_dir, "e");
  EXPECT_EQ(command.options.keep_plans, 7u);
  EXPECT_EQ(command.options.drain_delay, absl::Milliseconds(250));
}

TEST_F(OptionsTest, EverySpellingOfAFlagIsRead) {
  ASSERT_OK_AND_ASSIGN(Command command, Parse({"--data_dir", "d", "--reflection"}));
  EXPECT_EQ(command.options.data_dir, "d");
  EXPECT_TRUE(command.options.reflection);
  ASSERT_OK_AND_ASSIGN(command, Parse({"--noreflection"}, {"SUBSET_REFLECTION=true"}));
  EXPECT_FALSE(command.options.reflection);
  ASSERT_OK_AND_ASSIGN(command, Parse({"--reflection=true"}));
  EXPECT_TRUE(command.options.reflection);
}

TEST_F(OptionsTest, PrintConfigShowsEachValueAndItsOrigin) {
  ASSERT_OK_AND_ASSIGN(const Command command,
                       Parse({"--data_dir=d", "--print_config"}, {"SUBSET_DRAIN_DELAY=1s"}));
  EXPECT_EQ(command.kind, Command::Kind::kPrint);
  EXPECT_THAT(command.text, HasSubstr("data_dir=d  # flag\n"));
  EXPECT_THAT(command.text, HasSubstr("drain_delay=1s  # environment\n"));
  EXPECT_THAT(command.text, HasSubstr("listen=0.0.0.0:50051  # default\n"));
  EXPECT_THAT(command.text, Not(HasSubstr("print_config")));
}

TEST_F(OptionsTest, CheckConfigPrintsAndAcceptsOnlyWhatIsGood) {
  ASSERT_OK_AND_ASSIGN(const Command command, Parse({"--data_dir=d", "--check_config"}));
  EXPECT_EQ(command.kind, Command::Kind::kPrint);
  EXPECT_THAT(Parse({"--keep_plans=0"}), StatusIs(kInvalid, HasSubstr("keep_plans 0")));
}

TEST_F(OptionsTest, HelpNamesEveryFlagAndNeedsNothingElse) {
  ASSERT_OK_AND_ASSIGN(const Command command, Parse({"--help"}));
  EXPECT_EQ(command.kind, Command::Kind::kPrint);
  for (const char* name : {"data_dir", "listen", "metrics_listen", "port_file", "reflection",
                           "drain_delay", "drain_deadline", "log_level", "log_format",
                           "min_fold_bytes", "keep_plans", "keep_live_batches", "max_memory_bytes",
                           "max_message_bytes", "max_concurrent_streams", "disk_reserve_bytes"}) {
    EXPECT_THAT(command.text, HasSubstr(std::string("--") + name + "="));
  }
}

TEST_F(OptionsTest, VersionNeedsNothingElse) {
  ASSERT_OK_AND_ASSIGN(const Command command, Parse({"--version"}));
  EXPECT_THAT(command.text, HasSubstr("subsetd "));
}

TEST_F(OptionsTest, UnknownNamesAreErrorsThatNameTheNearest) {
  EXPECT_THAT(Parse({"--data_dri=d"}),
              StatusIs(kInvalid, HasSubstr("--data_dri; did you mean --data_dir?")));
  EXPECT_THAT(Parse({"--data_dir=d"}, {"SUBSET_LISTNE=x:1"}),
              StatusIs(kInvalid, HasSubstr("SUBSET_LISTNE in the environment; did you mean "
                                           "SUBSET_LISTEN?")));
  EXPECT_THAT(Parse({"--data_dir=d"}, {"SUBSET_zzzzzzzzzzzz=1"}),
              StatusIs(kInvalid, Not(HasSubstr("did you mean"))));
  EXPECT_THAT(Parse({"serve"}), StatusIs(kInvalid, HasSubstr("unexpected argument \"serve\"")));
  EXPECT_THAT(Parse({"--data_dir"}), StatusIs(kInvalid, HasSubstr("needs a value")));
}

TEST_F(OptionsTest, WhatKubernetesSetsForAServiceNamedSubsetIsIgnored) {
  EXPECT_OK(Parse(
      {"--data_dir=d"},
      {"SUBSET_SERVICE_HOST=10.0.0.1", "SUBSET_SERVICE_PORT=50051",
       "SUBSET_SERVICE_PORT_GRPC=50051", "SUBSET_PORT=tcp://10.0.0.1:50051",
       "SUBSET_PORT_50051_TCP=tcp://10.0.0.1:50051", "SUBSET_PORT_50051_TCP_PROTO=tcp",
       "SUBSET_METRICS_SERVICE_HOST=10.0.0.2", "SUBSET_METRICS_PORT_9090_TCP_ADDR=10.0.0.2"}));
  // But a misspelt setting of ours is not taken for one of those.
  EXPECT_THAT(Parse({"--data_dir=d"}, {"SUBSET_PORT_FIEL=x"}),
              StatusIs(kInvalid, HasSubstr("did you mean SUBSET_PORT_FILE?")));
}

TEST_F(OptionsTest, EachBadValueNamesFlagValueAndBound) {
  const struct {
    std::string flag;
    std::string message;
  } kCases[] = {
      {"--keep_plans=65", "keep_plans 65 is outside [1, 64]"},
      {"--keep_live_batches=0", "keep_live_batches 0 is outside [1, 1048576]"},
      {"--drain_delay=11m", "drain_delay 11m is outside [0, 10m]"},
      {"--drain_delay=-1s", "drain_delay -1s is outside [0, 10m]"},
      {"--drain_deadline=2h", "drain_deadline 2h is outside [0, 1h]"},
      {"--max_message_bytes=1024", "max_message_bytes 1024 is outside [2097152, 1073741824]"},
      {"--max_concurrent_streams=0", "max_concurrent_streams 0 is outside [1, 1048576]"},
      {"--max_memory_bytes=1", "max_memory_bytes 1 is outside [1048576, 1125899906842624]"},
      {"--min_fold_bytes=1", "min_fold_bytes 1 is outside [4096, 1099511627776]"},
      {"--disk_reserve_bytes=1", "disk_reserve_bytes 1 is outside [16777216, 1125899906842624]"},
      {"--listen=nowhere", "listen \"nowhere\" is not HOST:PORT"},
      {"--listen=0.0.0.0:65536", "listen \"0.0.0.0:65536\" is not HOST:PORT"},
      {"--listen=unix:", "listen \"unix:\" is not HOST:PORT"},
      {"--metrics_listen=:", "metrics_listen \":\" is not HOST:PORT"},
      {"--log_level=loud", "log_level \"loud\" is not one of debug, info, warning, error"},
      {"--log_format=xml", "log_format \"xml\" is not one of json, console, auto"},
      {"--keep_plans=many", "--keep_plans: \"many\" is not a value of keep_plans (such as 3)"},
      {"--drain_delay=5", "--drain_delay: \"5\" is not a value of drain_delay (such as 5s)"},
  };
  for (const auto& bad : kCases) {
    absl::FlagSaver saver;
    EXPECT_THAT(Parse({"--data_dir=d", bad.flag}), StatusIs(kInvalid, HasSubstr(bad.message)))
        << bad.flag;
  }
  EXPECT_THAT(Parse({}), StatusIs(kInvalid, HasSubstr("data_dir is required")));
  EXPECT_THAT(Parse({"--data_dir=d"}, {"SUBSET_KEEP_PLANS=x"}),
              StatusIs(kInvalid, HasSubstr("SUBSET_KEEP_PLANS: \"x\"")));
}

}  // namespace
}  // namespace subset
