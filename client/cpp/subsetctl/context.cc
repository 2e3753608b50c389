#include "client/cpp/subsetctl/context.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/json.h"

namespace subset::ctl {
namespace {

constexpr char kSuggestionPayload[] = "subsetctl/next";
constexpr char kCheckFailedReason[] = "CHECK_FAILED";

}  // namespace

absl::Status Suggest(absl::Status status, const std::string& command) {
  if (!status.ok() && !Suggestion(status).has_value()) {
    status.SetPayload(kSuggestionPayload, absl::Cord(command));
  }
  return status;
}

std::optional<std::string> Suggestion(const absl::Status& status) {
  const auto payload = status.GetPayload(kSuggestionPayload);
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

absl::Status CheckFailed(const std::string& message) {
  return WithReason(absl::FailedPreconditionError(message), kCheckFailedReason);
}

int ExitCode(const absl::Status& status) {
  if (ErrorReason(status) == kCheckFailedReason) return 6;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kNotFound:
      return 3;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return 4;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 5;
    default:
      return 1;
  }
}

absl::StatusOr<Client*> Context::client() {
  if (client_ == nullptr) {
    ClientOptions options;
    // The command line has checked it.
    absl::ParseDuration(timeout, &options.default_timeout);
    SUBSET_ASSIGN_OR_RETURN(client_, Client::Connect(endpoint, options));
  }
  return client_.get();
}

absl::StatusOr<v1::Run> Context::FindRun(const std::string& name) {
  SUBSET_ASSIGN_OR_RETURN(Client * connected, client());
  v1::GetRunRequest request;
  request.set_name(name);
  auto run = connected->GetRun(request);
  if (absl::IsNotFound(run.status())) return Suggest(run.status(), "subsetctl run list");
  return run;
}

void Context::PrintJson(const google::protobuf::Message& message) {
  console_.out << MessageJson(message);
}

absl::Status Context::Confirm(const std::string& question, const std::string& command_with_yes) {
  console_.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(console_.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return absl::OkStatus();
  return Suggest(absl::FailedPreconditionError("not confirmed: nothing was changed"),
                 command_with_yes);
}

}  // namespace subset::ctl
