// Why an address cannot be bound: neither gRPC nor the HTTP server says.

#ifndef SUBSET_SERVER_BIND_ERROR_H_
#define SUBSET_SERVER_BIND_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace subset {

// Returns kUnavailable: `SETTING cannot be bound to ADDRESS: why`. Tries to bind HOST:PORT itself
// to learn the reason, and gives the port back.
absl::Status BindError(absl::string_view setting, const std::string& address);

}  // namespace subset

#endif  // SUBSET_SERVER_BIND_ERROR_H_
