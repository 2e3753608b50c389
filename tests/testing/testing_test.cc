// The shared test helpers, tested: a matcher that cannot fail would be a defect everywhere.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(TempDirTest, IsThereWhileTheObjectLivesAndGoneAfter) {
  std::string path;
  {
    TempDir dir;
    path = dir.path();
    ASSERT_TRUE(std::filesystem::is_directory(path));
    std::ofstream(dir.File("x")) << "y";
    EXPECT_TRUE(std::filesystem::exists(path + "/x"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(StatusMatchersTest, TellStatusesApart) {
  const absl::Status error = absl::DataLossError("bad byte 7");
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(error, Not(IsOk()));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(error, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 7")));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kDataLoss, "bad byte 7"));
  EXPECT_THAT(error, Not(StatusIs(absl::StatusCode::kDataLoss, HasSubstr("byte 8"))));
  EXPECT_THAT(error, Not(StatusIs(absl::StatusCode::kInternal, HasSubstr("byte 7"))));
}

TEST(StatusMatchersTest, TellValuesApart) {
  const absl::StatusOr<int> three = 3;
  const absl::StatusOr<int> error = absl::NotFoundError("none");
  EXPECT_THAT(three, IsOk());
  EXPECT_THAT(three, IsOkAndHolds(Eq(3)));
  EXPECT_THAT(three, IsOkAndHolds(3));
  EXPECT_THAT(three, Not(IsOkAndHolds(4)));
  EXPECT_THAT(error, Not(IsOkAndHolds(3)));
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kNotFound));
}

TEST(StatusMatchersTest, ReadReasonAndField) {
  const absl::Status error = WithReason(InvalidField("seed", "is odd"), "ODD");
  EXPECT_THAT(error, ReasonIs("ODD"));
  EXPECT_THAT(error, Not(ReasonIs("EVEN")));
  EXPECT_THAT(error, FieldIs("seed"));
  EXPECT_THAT(error, Not(FieldIs("seeds")));
}

TEST(StatusMatchersTest, AssignMovesTheValueOut) {
  auto make = []() -> absl::StatusOr<std::unique_ptr<int>> { return std::make_unique<int>(5); };
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<int> five, make());
  EXPECT_EQ(*five, 5);
}

}  // namespace
}  // namespace subset
