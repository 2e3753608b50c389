// absl::Status to grpc::Status: the only place where one becomes the other.

#ifndef SUBSET_SERVER_GRPC_STATUS_H_
#define SUBSET_SERVER_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace subset {

// Returns `status` for the wire. Errors carry a google.rpc.Status with ErrorInfo (reason: the fixed
// word of base/error.h, or the code's name; domain "subset") and, where a field is named,
// BadRequest. The message is cut to 1 KiB and its control and non-ASCII bytes are escaped.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The word that ErrorInfo carries for `status`.
std::string ReasonOf(const absl::Status& status);

}  // namespace subset

#endif  // SUBSET_SERVER_GRPC_STATUS_H_
