#include "server/grpc_status.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace subset {
namespace {

constexpr size_t kMaxMessage = 1024;
constexpr size_t kMaxField = 256;

// Trailers carry it and logs print it: bounded, and plain ASCII.
std::string Bounded(absl::string_view text, size_t limit) {
  std::string out(text.substr(0, limit));
  const bool plain =
      std::all_of(out.begin(), out.end(), [](unsigned char c) { return absl::ascii_isprint(c); });
  if (!plain) out = absl::CHexEscape(out);
  if (out.size() > limit) out.resize(limit);
  return out;
}

}  // namespace

std::string ReasonOf(const absl::Status& status) {
  return ErrorReason(status).value_or(absl::StatusCodeToString(status.code()));
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Bounded(status.message(), kMaxMessage);

  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(Bounded(ReasonOf(status), kMaxField));
  info.set_domain("subset");
  details.add_details()->PackFrom(info);
  if (const auto field = ErrorField(status)) {
    google::rpc::BadRequest bad_request;
    auto* violation = bad_request.add_field_violations();
    violation->set_field(Bounded(*field, kMaxField));
    violation->set_description(message);
    details.add_details()->PackFrom(bad_request);
  }
  // The numbers of the codes are the same by definition.
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      details.SerializeAsString());
}

}  // namespace subset
