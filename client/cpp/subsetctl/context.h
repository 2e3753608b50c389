// What every verb of subsetctl needs: the console, the common options, the connection.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_CONTEXT_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_CONTEXT_H_

#include <google/protobuf/message.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/subsetctl/console.h"
#include "subset/client.h"

namespace subset::ctl {

inline constexpr char kDefaultEndpoint[] = "localhost:50051";

// Returns `status` with the command to try next, unless it is OK or has one already.
absl::Status Suggest(absl::Status status, const std::string& command);

// The command that Suggest put in, or nullopt.
std::optional<std::string> Suggestion(const absl::Status& status);

// As operations.md says: 0 ok, 1 failure, 2 usage, 3 not found, 4 auth, 5 unavailable, 6 check
// failed.
int ExitCode(const absl::Status& status);
inline constexpr int kUsageExit = 2;

// Returns kFailedPrecondition with exit code 6.
absl::Status CheckFailed(const std::string& message);

// Not thread-safe.
class Context {
 public:
  explicit Context(Console& console) : console_(console) {}

  Console& console() { return console_; }
  bool json() const { return output == "json"; }

  // The connection, made at the first call.
  absl::StatusOr<Client*> client();

  // The run of that name, or kNotFound with the suggestion to list runs.
  absl::StatusOr<v1::Run> FindRun(const std::string& name);

  // Writes the message as JSON to stdout.
  void PrintJson(const google::protobuf::Message& message);

  // Asks for a yes on stderr and reads it from stdin. kFailedPrecondition when it is not given.
  absl::Status Confirm(const std::string& question, const std::string& command_with_yes);

  // Filled in by the command line.
  std::string endpoint = kDefaultEndpoint;
  std::string timeout = "30s";
  std::string output = "table";
  std::function<absl::Status()> action;  // the verb that was asked for

 private:
  Console& console_;
  std::unique_ptr<Client> client_;
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_CONTEXT_H_
