#include "tests/client/detailed_error.h"

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace subset {

grpc::Status DetailedError(grpc::StatusCode code, const std::string& message,
                           const std::string& field, const std::string& reason) {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  if (!field.empty()) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field(field);
    details.add_details()->PackFrom(bad_request);
  }
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("subset");
  details.add_details()->PackFrom(info);
  return grpc::Status(code, message, details.SerializeAsString());
}

}  // namespace subset
