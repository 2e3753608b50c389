#include "base/log.h"

#include <string>

#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(LogTest, JsonLineIsEscapedAndCut) {
  ConfigureLog(LogLevel::kInfo, LogFormat::kJson);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "started \"x\"\n", {{"path", std::string(10000, 'p')}, {"bell", "\a"}});
  const std::string line = testing::internal::GetCapturedStderr();
  ConfigureLog(LogLevel::kInfo, LogFormat::kConsole);
  EXPECT_NE(line.find("\"level\":\"info\""), std::string::npos);
  EXPECT_NE(line.find("started \\\"x\\\"\\u000a"), std::string::npos);
  EXPECT_NE(line.find("\"bell\":\"\\u0007\""), std::string::npos);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
  EXPECT_LT(line.size(), 1024u);
}

TEST(LogTest, BelowTheLevelIsSilent) {
  testing::internal::CaptureStderr();
  Log(LogLevel::kDebug, "hidden");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(LogDeathTest, BrokenInvariantEndsTheProcess) {
  EXPECT_DEATH(SUBSET_CHECK(1 == 2), "invariant broken.*1 == 2");
}

}  // namespace
}  // namespace subset
