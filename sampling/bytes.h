// Little-endian bytes with a checksum at the end, for plans that are stored.

#ifndef SUBSET_SAMPLING_BYTES_H_
#define SUBSET_SAMPLING_BYTES_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/config.h"
#include "absl/strings/string_view.h"

#ifndef ABSL_IS_LITTLE_ENDIAN
#error "plans are stored as the memory of a little-endian machine"
#endif

namespace subset::sampling {

// A 64-bit checksum against damage, not against forgery.
inline uint64_t Checksum(absl::string_view bytes) {
  uint64_t hash = 0x9e3779b97f4a7c15u ^ bytes.size();
  while (!bytes.empty()) {
    uint64_t word = 0;
    const size_t size = bytes.size() < 8 ? bytes.size() : 8;
    std::memcpy(&word, bytes.data(), size);
    bytes.remove_prefix(size);
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}

class ByteWriter {
 public:
  template <typename T>
  void Put(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    PutArray(&value, 1);
  }
  template <typename T>
  void PutArray(const T* values, size_t count) {
    bytes_.append(reinterpret_cast<const char*>(values), count * sizeof(T));
  }

  // Returns the bytes and their checksum. The writer is then empty.
  std::string Finish() {
    Put(Checksum(bytes_));
    return std::move(bytes_);
  }

 private:
  std::string bytes_;
};

// Reads what ByteWriter wrote. A read past the end gives zeros and makes ok() false.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : bytes_(bytes) {
    if (bytes_.size() < sizeof(uint64_t)) {
      ok_ = false;
      return;
    }
    uint64_t checksum;
    std::memcpy(&checksum, bytes_.data() + bytes_.size() - sizeof(checksum), sizeof(checksum));
    bytes_.remove_suffix(sizeof(checksum));
    ok_ = checksum == Checksum(bytes_);
  }

  // Whether the checksum fits and every read was inside.
  bool ok() const { return ok_; }
  size_t remaining() const { return ok_ ? bytes_.size() : 0; }

  template <typename T>
  T Get() {
    T value{};
    GetArray(&value, 1);
    return value;
  }
  template <typename T>
  void GetArray(T* values, size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!ok_ || bytes_.size() / sizeof(T) < count) {
      ok_ = false;
      return;
    }
    if (count == 0) return;
    std::memcpy(values, bytes_.data(), count * sizeof(T));
    bytes_.remove_prefix(count * sizeof(T));
  }

 private:
  absl::string_view bytes_;
  bool ok_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_BYTES_H_
