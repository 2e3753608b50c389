#include "base/error.h"

#include <algorithm>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace subset {
namespace {

constexpr char kFieldPayload[] = "subset/field";
constexpr char kReasonPayload[] = "subset/reason";
constexpr size_t kMaxNameLength = 63;

std::optional<std::string> Payload(const absl::Status& status, absl::string_view url) {
  std::optional<std::string> found;
  status.ForEachPayload([&](absl::string_view type_url, const absl::Cord& payload) {
    if (type_url == url) found = std::string(payload);
  });
  return found;
}

bool IsNameEdge(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool IsNameInner(char c) { return IsNameEdge(c) || c == '-' || c == '.' || c == '_'; }

}  // namespace

absl::Status WithField(absl::Status status, absl::string_view field) {
  status.SetPayload(kFieldPayload, absl::Cord(field));
  return status;
}

absl::Status WithReason(absl::Status status, absl::string_view reason) {
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

absl::Status InvalidField(absl::string_view field, absl::string_view message) {
  return WithReason(
      WithField(absl::InvalidArgumentError(absl::StrCat(field, " ", message)), field),
      "INVALID_FIELD");
}

std::optional<std::string> ErrorField(const absl::Status& status) {
  return Payload(status, kFieldPayload);
}

std::optional<std::string> ErrorReason(const absl::Status& status) {
  return Payload(status, kReasonPayload);
}

absl::Status NotFound(absl::string_view kind, absl::string_view name) {
  return WithReason(absl::NotFoundError(absl::StrCat(kind, " \"", name, "\" does not exist")),
                    "NOT_FOUND");
}

absl::Status ValidateName(absl::string_view field, absl::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxNameLength && IsNameEdge(name.front()) &&
                    IsNameEdge(name.back()) && std::all_of(name.begin(), name.end(), IsNameInner);
  if (good) return absl::OkStatus();
  // A hostile name is shown escaped and cut, so that it cannot flood or forge a log line.
  return InvalidField(field, absl::StrCat("\"", absl::CHexEscape(name.substr(0, 80)), "\" (length ",
                                          name.size(),
                                          ") does not match [a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?"));
}

}  // namespace subset
