// A directory that lives as long as its object. Not thread-safe.
//
//   TempDir dir;
//   Open(dir.path() + "/data");

#ifndef SUBSET_TESTS_TESTING_TEMP_DIR_H_
#define SUBSET_TESTS_TESTING_TEMP_DIR_H_

#include <stdlib.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/string_view.h"

namespace subset {

class TempDir {
 public:
  // Makes a new, empty directory under $TMPDIR (or /tmp); ends the process if that fails.
  TempDir() : TempDir(Base("TMPDIR", "/tmp")) {}
  // In memory where the machine has such a file system, for tests that would only wait for fsync.
  static TempDir InMemory() {
    return TempDir(std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : Base("TMPDIR", "/tmp"));
  }
  explicit TempDir(const std::string& base) : path_(base + "/subset_test_XXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) {
      std::fprintf(stderr, "mkdtemp %s: %s\n", path_.c_str(), std::strerror(errno));
      std::abort();
    }
  }
  // Removes the directory and all in it.
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // Returns the path of `name` in the directory; makes nothing.
  std::string File(absl::string_view name) const {
    return path_ + "/" + std::string(name.data(), name.size());
  }

 private:
  static std::string Base(const char* variable, const char* otherwise) {
    const char* value = getenv(variable);
    return value != nullptr && *value != '\0' ? value : otherwise;
  }

  std::string path_;
};

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_TEMP_DIR_H_
