// A file read from its beginning, gunzipped on the way if it is gzipped.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_INPUT_FILE_H_
#define SUBSET_CLIENT_CPP_COLUMNS_INPUT_FILE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct gzFile_s;

namespace subset::columns {

// Not thread-safe. Every error names the path.
class InputFile {
 public:
  // kNotFound; kInvalidArgument (a directory, or not readable).
  static absl::StatusOr<std::unique_ptr<InputFile>> Open(const std::string& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  // Reads up to `size` bytes; fewer only at the end of the file. kInvalidArgument when a gzipped
  // file is damaged or truncated.
  absl::StatusOr<size_t> Read(char* data, size_t size);

  // Reads the next line without its end ("\n" or "\r\n") and without a byte order mark at the start
  // of the file. Returns false at the end. kInvalidArgument for a line of more than 1 MiB or one
  // with a NUL in it. Do not mix with Read.
  absl::StatusOr<bool> ReadLine(std::string* line);

  const std::string& path() const { return path_; }
  size_t line_number() const { return line_number_; }  // of the last line read, from 1

 private:
  InputFile(std::string path, gzFile_s* file);

  const std::string path_;
  gzFile_s* const file_;
  std::string buffer_;  // of ReadLine
  size_t buffer_at_ = 0;
  size_t line_number_ = 0;
};

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_INPUT_FILE_H_
