#include "client/cpp/status.h"

#include "base/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "tests/client/detailed_error.h"

namespace subset::client_internal {
namespace {

TEST(FromGrpcTest, EveryCodeKeepsItsNumber) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status = FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(code), "why"));
    EXPECT_EQ(static_cast<int>(status.code()), code);
    EXPECT_EQ(status.message(), code == 0 ? "" : "why");
  }
  EXPECT_EQ(FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(77), "x")).code(),
            absl::StatusCode::kUnknown);
}

TEST(FromGrpcTest, FieldAndReasonBecomePayloads) {
  const absl::Status status = FromGrpc(DetailedError(grpc::StatusCode::INVALID_ARGUMENT,
                                                     "batch_size 0 is outside [1, 65536]",
                                                     "positions.batch_size", "INVALID_FIELD"));
  EXPECT_EQ(status.message(), "batch_size 0 is outside [1, 65536]");
  EXPECT_EQ(ErrorField(status), "positions.batch_size");
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELD");
}

TEST(FromGrpcTest, WithoutDetailsThereIsNoPayload) {
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::INTERNAL, "bug"));
  EXPECT_EQ(ErrorField(status), std::nullopt);
  EXPECT_EQ(ErrorReason(status), std::nullopt);
}

TEST(FromGrpcTest, DamagedDetailsAreLeftOut) {
  const absl::Status garbage =
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "m", std::string("\xff\xff\xff\xff")));
  EXPECT_EQ(garbage.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(garbage), std::nullopt);

  google::rpc::Status details;
  auto* any = details.add_details();
  any->set_type_url("type.googleapis.com/google.rpc.ErrorInfo");
  any->set_value("\xff\xff\xff\xff");
  details.add_details()->PackFrom(google::rpc::BadRequest());  // no violation in it
  const absl::Status damaged =
      FromGrpc(grpc::Status(grpc::StatusCode::NOT_FOUND, "m", details.SerializeAsString()));
  EXPECT_EQ(ErrorReason(damaged), std::nullopt);
  EXPECT_EQ(ErrorField(damaged), std::nullopt);
}

TEST(FromGrpcTest, AReasonOfAnotherDomainIsNotOurs) {
  google::rpc::ErrorInfo info;
  info.set_reason("THEIRS");
  info.set_domain("example.com");
  google::rpc::Status details;
  details.add_details()->PackFrom(info);
  EXPECT_EQ(ErrorReason(FromGrpc(
                grpc::Status(grpc::StatusCode::NOT_FOUND, "m", details.SerializeAsString()))),
            std::nullopt);
}

}  // namespace
}  // namespace subset::client_internal
