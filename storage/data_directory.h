// The files of a data directory that are not RocksDB's: the lock, the format, and how it is made.
//
//   LOCK               flock()ed while a process has the directory open
//   store/FORMAT       the version of the format
//   store/WATERMARK    what is durable
//   store/db/          RocksDB
//
// A new store is made as store.new and renamed, so `store` is either whole or not there.

#ifndef SUBSET_STORAGE_DATA_DIRECTORY_H_
#define SUBSET_STORAGE_DATA_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace subset {

// The newest format this code writes and the only one it reads.
inline constexpr uint32_t kStorageFormat = 1;

// Holds the lock of a data directory while it lives. Thread-safe.
class DataDirectory {
 public:
  // Makes `path` if it is missing and `create_if_missing`, and locks it. Fails with
  // kFailedPrecondition (another process holds it), kNotFound, kPermissionDenied, kUnavailable.
  static absl::StatusOr<std::unique_ptr<DataDirectory>> Lock(const std::string& path,
                                                             bool create_if_missing);
  ~DataDirectory();
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  // If there is no store, has `make` fill a new one's database directory, adds the other files, and
  // renames it into place; with `create_if_missing` false fails with kNotFound instead. If there is
  // one, checks its format: kFailedPrecondition if it is newer, kDataLoss if it cannot be read.
  absl::Status Prepare(bool create_if_missing,
                       absl::FunctionRef<absl::Status(const std::string& database_path)> make);

  const std::string& path() const { return path_; }
  std::string store_path() const { return path_ + "/store"; }
  std::string database_path() const { return store_path() + "/db"; }
  std::string watermark_path() const { return store_path() + "/WATERMARK"; }
  std::string format_path() const { return store_path() + "/FORMAT"; }

 private:
  DataDirectory(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  const std::string path_;
  const int lock_fd_;
};

// The contents of FORMAT: one line of text that names the version and checks itself.
std::string FormatFileText(uint32_t format);

// The error for a failed system call on `path`: kResourceExhausted where the disk is full,
// kPermissionDenied, kUnavailable otherwise.
absl::Status FileError(absl::string_view what, absl::string_view path, int error_number);

// Reads a whole file of at most `limit` bytes. Fails with kDataLoss if it is missing or longer.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t limit);

// Bytes that a process without privileges can still write on the file system of `path`.
absl::StatusOr<uint64_t> FreeDiskBytes(const std::string& path);

}  // namespace subset

#endif  // SUBSET_STORAGE_DATA_DIRECTORY_H_
