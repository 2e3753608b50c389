// Values of one column as they are read, checked one by one.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_COLUMN_VALUES_H_
#define SUBSET_CLIENT_CPP_COLUMNS_COLUMN_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "subset/client.h"

namespace subset::columns {

// "u8", "u16", "u32", "i64", "f32", "f64", "set"; nullopt for anything else.
std::optional<v1::ColumnType> ParseType(absl::string_view text);
const char* TypeName(v1::ColumnType type);
inline bool IsFloat(v1::ColumnType type) {
  return type == v1::COLUMN_TYPE_FLOAT32 || type == v1::COLUMN_TYPE_FLOAT64;
}

// Not thread-safe. The Append functions return kInvalidArgument, without the place, for a value
// that the type cannot hold; nothing is rounded except f64 to f32 and integers to floats.
class ColumnValues {
 public:
  // Without allow_missing a NaN is refused; infinities always are.
  ColumnValues(v1::ColumnType type, bool allow_missing)
      : type_(type), allow_missing_(allow_missing) {}

  absl::Status AppendInteger(int64_t value);
  absl::Status AppendFloat(double value);
  // A number in text; empty text means missing. Of label sets: labels, apart by blanks, maybe none.
  absl::Status AppendText(absl::string_view text);
  // REQUIRES: type() is LABEL_SET.
  absl::Status AppendLabels(std::vector<uint32_t> labels);

  v1::ColumnType type() const { return type_; }
  uint64_t size() const { return size_; }
  uint64_t missing() const { return missing_; }
  const std::string& bytes() const { return bytes_; }  // little-endian

 private:
  template <class T>
  void Push(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    ++size_;
  }

  v1::ColumnType type_;
  bool allow_missing_;
  std::string bytes_;
  uint64_t size_ = 0;
  uint64_t missing_ = 0;
};

// A column read from a file.
struct NamedColumn {
  std::string name;
  ColumnValues values;
};

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_COLUMN_VALUES_H_
