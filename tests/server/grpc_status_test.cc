#include "server/grpc_status.h"

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/serving.h"

namespace subset {
namespace {

TEST(GrpcStatusTest, OkIsOkWithoutDetails) {
  const grpc::Status status = ToGrpcStatus(absl::OkStatus());
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(status.error_details(), "");
}

TEST(GrpcStatusTest, EveryCodeKeepsItsNumberAndMessage) {
  for (int code = 1; code <= 16; ++code) {
    const grpc::Status status =
        ToGrpcStatus(absl::Status(static_cast<absl::StatusCode>(code), "what was wrong"));
    EXPECT_EQ(static_cast<int>(status.error_code()), code);
    EXPECT_EQ(status.error_message(), "what was wrong");
    google::rpc::Status details;
    ASSERT_TRUE(details.ParseFromString(status.error_details()));
    EXPECT_EQ(details.code(), code);
    EXPECT_EQ(details.message(), "what was wrong");
  }
}

TEST(GrpcStatusTest, FieldAndReasonTravelAsDetails) {
  const ErrorDetails details =
      DetailsOf(ToGrpcStatus(WithReason(InvalidField("a.b[1]", "is 0"), "SOME_REASON")));
  EXPECT_EQ(details.reason, "SOME_REASON");
  EXPECT_EQ(details.domain, "subset");
  EXPECT_EQ(details.field, "a.b[1]");
  EXPECT_EQ(details.description, "a.b[1] is 0");
}

TEST(GrpcStatusTest, AnErrorWithoutAReasonCarriesItsCode) {
  EXPECT_EQ(DetailsOf(ToGrpcStatus(absl::UnavailableError("x"))).reason, "UNAVAILABLE");
  EXPECT_EQ(DetailsOf(ToGrpcStatus(absl::UnavailableError("x"))).field, "");
}

TEST(GrpcStatusTest, MessagesAreBoundedAndPlain) {
  const grpc::Status longest = ToGrpcStatus(absl::InternalError(std::string(100000, 'x')));
  EXPECT_EQ(longest.error_message(), std::string(1024, 'x'));
  const grpc::Status hostile =
      ToGrpcStatus(absl::InternalError(std::string("a\n\0\xff", 4) + std::string(2000, '\n')));
  EXPECT_LE(hostile.error_message().size(), 1024u);
  for (char c : hostile.error_message()) EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_LE(ToGrpcStatus(InvalidField(std::string(5000, 'f'), std::string(5000, 'm')))
                .error_details()
                .size(),
            4096u);
}

}  // namespace
}  // namespace subset
