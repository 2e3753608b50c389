// Arrays as messages and files carry them.

#ifndef SUBSET_TESTS_TESTING_BYTES_H_
#define SUBSET_TESTS_TESTING_BYTES_H_

#include <string>
#include <vector>

namespace subset {

// Returns the values one after another, in this machine's byte order.
template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_BYTES_H_
