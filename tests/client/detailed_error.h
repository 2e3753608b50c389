// Errors as a server sends them.

#ifndef SUBSET_TESTS_CLIENT_DETAILED_ERROR_H_
#define SUBSET_TESTS_CLIENT_DETAILED_ERROR_H_

#include <grpcpp/support/status.h>

#include <string>

namespace subset {

// Returns the code and the message with the details that name field and reason; no field if it is
// empty.
grpc::Status DetailedError(grpc::StatusCode code, const std::string& message,
                           const std::string& field, const std::string& reason);

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_DETAILED_ERROR_H_
