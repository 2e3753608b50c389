#include "base/error.h"

#include <string>

#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(ErrorTest, FieldAndReasonTravelWithTheStatus) {
  const absl::Status status = InvalidField("batch_size", "0 is outside [1, 65536]");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "batch_size 0 is outside [1, 65536]");
  EXPECT_EQ(ErrorField(status), "batch_size");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
}

TEST(ErrorTest, AbsentFieldIsNullopt) {
  EXPECT_EQ(ErrorField(absl::InternalError("x")), std::nullopt);
  EXPECT_EQ(ErrorReason(absl::OkStatus()), std::nullopt);
}

TEST(ErrorTest, NotFoundNamesKindAndName) {
  const absl::Status status = NotFound("dataset", "cifar");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "dataset \"cifar\" does not exist");
  EXPECT_EQ(ErrorReason(status), "NOT_FOUND");
}

TEST(ValidateNameTest, AcceptsThePattern) {
  for (const char* name : {"a", "0", "cifar-10", "imagenet_1k.v2", "a--b"}) {
    EXPECT_TRUE(ValidateName("name", name).ok()) << name;
  }
  EXPECT_TRUE(ValidateName("name", std::string(63, 'a')).ok());
}

TEST(ValidateNameTest, RefusesEverythingElseAndNamesTheField) {
  const std::string nul("a\0b", 3);
  for (const std::string& name :
       {std::string(), std::string("-a"), std::string("a-"), std::string("A"), std::string("../x"),
        std::string("a/b"), std::string("a b"), std::string("a\n"), nul, std::string("caf\xc3\xa9"),
        std::string(64, 'a'), std::string(10240, 'a')}) {
    const absl::Status status = ValidateName("header.dataset", name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(ErrorField(status), "header.dataset");
    EXPECT_LT(status.message().size(), 500u);
    for (char c : std::string(status.message())) {
      EXPECT_TRUE(c >= 0x20 && c < 0x7f) << "an unescaped byte in the message";
    }
  }
}

}  // namespace
}  // namespace subset
