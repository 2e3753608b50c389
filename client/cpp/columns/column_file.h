// Any file that subsetctl reads columns from, by what it begins with.

#ifndef SUBSET_CLIENT_CPP_COLUMNS_COLUMN_FILE_H_
#define SUBSET_CLIENT_CPP_COLUMNS_COLUMN_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/columns/csv.h"

namespace subset::columns {

// What --column says: NAME[:TYPE][=FILE[#HEADER]].
struct ColumnChoice {
  CsvRequest request;
  std::string file;  // empty: that of --from
};
absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text);

// Reads the columns asked for from a .npy file, an IDX file or text, each gzipped or not. A .npy or
// IDX file gives one column: without a request it is called "label". Errors: as ReadNpy, ReadIdx,
// ReadCsv.
absl::StatusOr<std::vector<NamedColumn>> ReadColumnFile(const std::string& path,
                                                        const std::vector<CsvRequest>& requests,
                                                        bool allow_missing);

}  // namespace subset::columns

#endif  // SUBSET_CLIENT_CPP_COLUMNS_COLUMN_FILE_H_
