#include "client/cpp/columns/input_file.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace subset::columns {
namespace {

constexpr size_t kMaxLineBytes = size_t{1} << 20;
constexpr size_t kReadBytes = size_t{1} << 18;
constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

InputFile::InputFile(std::string path, gzFile_s* file) : path_(std::move(path)), file_(file) {}

InputFile::~InputFile() { gzclose(file_); }

absl::StatusOr<std::unique_ptr<InputFile>> InputFile::Open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is a directory"));
  }
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    const std::string message = absl::StrCat(path, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  gzbuffer(file, kReadBytes);
  return std::unique_ptr<InputFile>(new InputFile(path, file));
}

absl::StatusOr<size_t> InputFile::Read(char* data, size_t size) {
  size_t done = 0;
  while (done < size) {
    const unsigned piece = static_cast<unsigned>(std::min(size - done, size_t{1} << 30));
    const int got = gzread(file_, data + done, piece);
    int code = Z_OK;
    const char* message = gzerror(file_, &code);
    // Z_BUF_ERROR: the gzip stream ends in its middle.
    if (got < 0 || code == Z_BUF_ERROR) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_, ": ", code == Z_ERRNO ? std::strerror(errno) : message,
          code == Z_BUF_ERROR || code == Z_DATA_ERROR ? " (the gzip file is damaged or truncated)"
                                                      : ""));
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::StatusOr<bool> InputFile::ReadLine(std::string* line) {
  while (true) {
    const size_t end = buffer_.find('\n', buffer_at_);
    if (end != std::string::npos) {
      line->assign(buffer_, buffer_at_, end - buffer_at_);
      buffer_at_ = end + 1;
      break;
    }
    if (buffer_.size() - buffer_at_ > kMaxLineBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path_, ": line ", line_number_ + 1,
                                                     " is longer than ", kMaxLineBytes, " bytes"));
    }
    buffer_.erase(0, buffer_at_);
    buffer_at_ = 0;
    const size_t before = buffer_.size();
    buffer_.resize(before + kReadBytes);
    const auto got = Read(&buffer_[before], kReadBytes);
    if (!got.ok()) return got.status();
    buffer_.resize(before + *got);
    if (*got == 0) {
      if (buffer_.empty()) return false;
      line->swap(buffer_);  // the last line has no end
      buffer_.clear();
      break;
    }
  }
  ++line_number_;
  if (line_number_ == 1 && line->compare(0, kByteOrderMark.size(), kByteOrderMark.data()) == 0) {
    line->erase(0, kByteOrderMark.size());
  }
  if (!line->empty() && line->back() == '\r') line->pop_back();
  if (line->size() > kMaxLineBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": line ", line_number_, " is longer than ", kMaxLineBytes, " bytes"));
  }
  if (line->find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": line ", line_number_,
                     " holds a NUL byte; this is not a text file (UTF-16, perhaps)"));
  }
  return true;
}

}  // namespace subset::columns
