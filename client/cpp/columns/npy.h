// NumPy's .npy files: one-dimensional arrays of numbers, and boolean matrices.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_NPY_H_
#define SUBSET_CLIENT_CPP_COLUMNS_NPY_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/columns/column_values.h"
#include "client/cpp/columns/input_file.h"

namespace subset::columns {

inline constexpr absl::string_view kNpyMagic = "\x93NUMPY";

// What the header's dictionary says.
struct NpyHeader {
  std::string descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
};

// Parses the dictionary strictly: the three keys, each once, nothing else.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text);

// Reads the array from the beginning of `file`. `type` unset: the array's own (i1, i2 and i4 become
// i64, bool becomes u8, u8 becomes i64). A boolean matrix (N, labels) is a column of label sets and
// nothing else is. kInvalidArgument, naming the path and the place: a header
// that is not one; Python objects, structures, strings, complex numbers, big-endian or Fortran
// order; a shape that is not (N,) with N <= 2^32; fewer or more bytes than the header promises; a
// value that `type` cannot hold.
absl::StatusOr<ColumnValues> ReadNpy(InputFile& file, std::optional<v1::ColumnType> type,
                                     bool allow_missing);

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_NPY_H_
