// IDX files, in which MNIST and its relatives keep their labels.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_IDX_H_
#define SUBSET_CLIENT_CPP_COLUMNS_IDX_H_

#include <optional>

#include "absl/status/statusor.h"
#include "client/cpp/columns/column_values.h"
#include "client/cpp/columns/input_file.h"

namespace subset::columns {

// Reads a vector of unsigned bytes from the beginning of `file`. `type` unset: u8.
// kInvalidArgument: another element type, more than one dimension, fewer or more bytes than the
// header promises, a value that `type` cannot hold.
absl::StatusOr<ColumnValues> ReadIdx(InputFile& file, std::optional<v1::ColumnType> type);

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_IDX_H_
