// Text files: comma-separated values under a header, or one number per line.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_CSV_H_
#define SUBSET_CLIENT_CPP_COLUMNS_CSV_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/columns/column_values.h"

namespace subset::columns {

struct CsvRequest {
  std::string name;                    // of the column in the dataset
  std::string header;                  // of the column in the file
  std::optional<v1::ColumnType> type;  // unset: u8, u16, u32 or i64 if all are integers, else f32
};

// Splits one line at its commas; fields may stand in double quotes, "" inside them is one quote.
// kInvalidArgument: a quote that is not closed on the line, or text after one.
absl::StatusOr<std::vector<std::string>> SplitCsvLine(absl::string_view line);

// Reads the columns asked for (none: all of them) in one pass over the file, or in two where a type
// must be found out. A file of one number per line needs no header when one column is asked for.
// Byte order marks, "\r\n" and an empty line at the end are accepted. kInvalidArgument, naming the
// line and the column: a header that is missing or there twice, another number of fields than the
// header has, text that is no number, a value that the type cannot hold. kNotFound: no such file.
absl::StatusOr<std::vector<NamedColumn>> ReadCsv(const std::string& path,
                                                 std::vector<CsvRequest> requests,
                                                 bool allow_missing);

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_CSV_H_
