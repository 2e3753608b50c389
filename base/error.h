// Errors that name what was wrong: the field, and a fixed word for programs.
//
// The message is for people: what was wrong, the value, the bound ("batch_size 0 is outside
// [1, 65536]"). The field and the reason travel as payloads of the status; server/grpc_status.h
// turns them into google.rpc.BadRequest and google.rpc.ErrorInfo.

#ifndef SUBSET_BASE_ERROR_H_
#define SUBSET_BASE_ERROR_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace subset {

// Returns `status` naming `field`: a path in the request, such as "feedback[0].values[1].data".
absl::Status WithField(absl::Status status, absl::string_view field);

// Returns `status` with a fixed word for programs, such as "SEQ_EXPIRED".
absl::Status WithReason(absl::Status status, absl::string_view reason);

// Returns kInvalidArgument naming `field`; the message starts with the field's path.
absl::Status InvalidField(absl::string_view field, absl::string_view message);

// What WithField and WithReason put in, or nullopt.
std::optional<std::string> ErrorField(const absl::Status& status);
std::optional<std::string> ErrorReason(const absl::Status& status);

// Returns kNotFound: `kind "name" does not exist`, with the reason NOT_FOUND.
absl::Status NotFound(absl::string_view kind, absl::string_view name);

// Returns OK if `name` matches [a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?; otherwise kInvalidArgument
// naming `field`.
absl::Status ValidateName(absl::string_view field, absl::string_view name);

}  // namespace subset

#endif  // SUBSET_BASE_ERROR_H_
