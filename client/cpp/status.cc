#include "client/cpp/status.h"

#include "base/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace subset::client_internal {
namespace {

absl::StatusCode Code(grpc::StatusCode code) {
  // The numbers are the same in both.
  const bool known = code >= grpc::StatusCode::OK && code <= grpc::StatusCode::UNAUTHENTICATED;
  return known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown;
}

}  // namespace

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(Code(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::ErrorInfo info;
    if (detail.Is<google::rpc::BadRequest>() && detail.UnpackTo(&bad_request)) {
      if (bad_request.field_violations_size() > 0) {
        result = WithField(result, bad_request.field_violations(0).field());
      }
    } else if (detail.Is<google::rpc::ErrorInfo>() && detail.UnpackTo(&info)) {
      if (info.domain() == "subset") result = WithReason(result, info.reason());
    }
  }
  return result;
}

}  // namespace subset::client_internal
