#include "storage/rocks_status.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset {

absl::Status Damaged(absl::string_view path, absl::string_view how) {
  return absl::DataLossError(absl::StrCat(
      "data directory ", path, " is damaged: ", how,
      ". Nothing was repaired or dropped: restore the directory from a backup, or start with an "
      "empty one"));
}

absl::Status FromRocks(const rocksdb::Status& status, absl::string_view path) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption()) return Damaged(path, status.ToString());
  const std::string message = absl::StrCat(path, ": ", status.ToString());
  if (status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit) {
    return WithReason(absl::ResourceExhaustedError(message), "DISK_FULL");
  }
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() ||
      status.IsShutdownInProgress() || status.IsAborted() || status.IsIncomplete()) {
    return absl::UnavailableError(message);
  }
  return absl::InternalError(message);
}

absl::Status FromRocksOpen(const rocksdb::Status& status, absl::string_view path) {
  if (status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument() ||
      status.IsNotSupported()) {
    return Damaged(path, status.ToString());
  }
  return FromRocks(status, path);
}

}  // namespace subset
