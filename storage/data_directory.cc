#include "storage/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "storage/record_frame.h"
#include "storage/watermark.h"

namespace subset {
namespace {

constexpr absl::string_view kFormatPrefix = "subset-store format=";
constexpr size_t kFormatFileLimit = 128;

absl::Status SyncDirectory(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("open", path, errno);
  const int result = fsync(fd);
  const int error_number = errno;
  close(fd);
  return result == 0 ? absl::OkStatus() : FileError("fsync", path, error_number);
}

absl::Status WriteAndSync(const std::string& path, absl::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("create", path, errno);
  absl::Status status;
  const ssize_t written = write(fd, text.data(), text.size());
  if (written != static_cast<ssize_t>(text.size())) {
    status = FileError("write", path, written < 0 ? errno : ENOSPC);
  } else if (fsync(fd) != 0) {
    status = FileError("fsync", path, errno);
  }
  close(fd);
  return status;
}

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
  return FileError("mkdir", path, errno);
}

absl::Status CheckFormat(const std::string& path) {
  SUBSET_ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kFormatFileLimit));
  // Every version starts its line in this way, so that an older binary can name a newer one.
  uint32_t format = 0;
  const size_t end = text.find(' ', kFormatPrefix.size());
  if (end == std::string::npos ||
      text.compare(0, kFormatPrefix.size(), kFormatPrefix.data(), kFormatPrefix.size()) != 0 ||
      !absl::SimpleAtoi(text.substr(kFormatPrefix.size(), end - kFormatPrefix.size()), &format) ||
      text != FormatFileText(format)) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: its checksum is wrong"));
  }
  if (format != kStorageFormat) {
    return absl::FailedPreconditionError(absl::StrCat(
        path, " says storage format ", format, "; this binary reads format ", kStorageFormat,
        ": start the version of Subset that wrote it, or a newer one"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataDirectory>> DataDirectory::Lock(const std::string& path,
                                                                   bool create_if_missing) {
  if (create_if_missing) {
    SUBSET_RETURN_IF_ERROR(MakeDirectory(path));
  } else if (struct stat info; stat(path.c_str(), &info) != 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("data directory ", path, " does not exist"));
  }
  const std::string lock_path = path + "/LOCK";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("open", lock_path, errno);
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const int error_number = errno;
    close(fd);
    if (error_number != EWOULDBLOCK) return FileError("lock", lock_path, error_number);
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", path, " is in use by another process"));
  }
  return std::unique_ptr<DataDirectory>(new DataDirectory(path, fd));
}

DataDirectory::~DataDirectory() { close(lock_fd_); }

absl::Status DataDirectory::Prepare(
    bool create_if_missing,
    absl::FunctionRef<absl::Status(const std::string& database_path)> make) {
  struct stat info;
  if (stat(store_path().c_str(), &info) == 0) return CheckFormat(format_path());
  if (errno != ENOENT) return FileError("stat", store_path(), errno);
  if (!create_if_missing) {
    return absl::NotFoundError(absl::StrCat("data directory ", path_, " holds no store"));
  }
  const std::string fresh = store_path() + ".new";
  std::error_code error;
  std::filesystem::remove_all(fresh, error);  // of a process that died while making one
  if (error) return FileError("remove", fresh, error.value());
  SUBSET_RETURN_IF_ERROR(MakeDirectory(fresh));
  SUBSET_RETURN_IF_ERROR(MakeDirectory(fresh + "/db"));
  SUBSET_RETURN_IF_ERROR(make(fresh + "/db"));
  SUBSET_RETURN_IF_ERROR(Watermark::Create(fresh + "/WATERMARK"));
  SUBSET_RETURN_IF_ERROR(WriteAndSync(fresh + "/FORMAT", FormatFileText(kStorageFormat)));
  SUBSET_RETURN_IF_ERROR(SyncDirectory(fresh + "/db"));
  SUBSET_RETURN_IF_ERROR(SyncDirectory(fresh));
  if (rename(fresh.c_str(), store_path().c_str()) != 0) {
    return FileError("rename", fresh, errno);
  }
  return SyncDirectory(path_);
}

std::string FormatFileText(uint32_t format) {
  const std::string text = absl::StrCat(kFormatPrefix, format, " check=");
  return absl::StrFormat("%s%016x\n", text, Checksum64(text));
}

absl::Status FileError(absl::string_view what, absl::string_view path, int error_number) {
  const std::string message = absl::StrCat(what, " ", path, ": ", std::strerror(error_number));
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, size_t limit) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return absl::DataLossError(absl::StrCat(path, " is missing"));
    return FileError("open", path, errno);
  }
  std::string bytes;
  size_t size = 0;
  ssize_t got = 0;
  do {
    size += static_cast<size_t>(got);
    bytes.resize(size + std::min<size_t>(64 << 10, limit + 1 - size));
  } while (size < bytes.size() && (got = read(fd, &bytes[size], bytes.size() - size)) > 0);
  const int error_number = errno;
  close(fd);
  if (got < 0) return FileError("read", path, error_number);
  if (size > limit) {
    return absl::DataLossError(absl::StrCat(path, " is damaged: longer than ", limit, " bytes"));
  }
  bytes.resize(size);
  return bytes;
}

absl::StatusOr<uint64_t> FreeDiskBytes(const std::string& path) {
  struct statvfs info;
  if (statvfs(path.c_str(), &info) != 0) return FileError("statvfs", path, errno);
  return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace subset
