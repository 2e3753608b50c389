// gRPC's errors as absl::Status: the only place where the client looks at grpc::Status.

#ifndef SUBSET_CLIENT_CPP_STATUS_H_
#define SUBSET_CLIENT_CPP_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace subset::client_internal {

// Returns the same code and message, with the first field of google.rpc.BadRequest and the reason
// of a google.rpc.ErrorInfo of domain "subset" as payloads (base/error.h). Details that do not
// parse are left out; a code outside the known ones becomes kUnknown.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_STATUS_H_
