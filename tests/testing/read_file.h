// A file as one string.

#ifndef SUBSET_TESTS_TESTING_READ_FILE_H_
#define SUBSET_TESTS_TESTING_READ_FILE_H_

#include <fstream>
#include <iterator>
#include <string>

namespace subset {

// Returns the bytes of the file; none where there is no such file.
inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_READ_FILE_H_
