// What Client::ImportDataset sends.

#ifndef SUBSET_DATASET_IMPORT_H_
#define SUBSET_DATASET_IMPORT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "subset/v1/dataset.pb.h"

namespace subset {

// One typed value per sample, or a set of labels: of type LABEL_SET, see label_sets.h. Does not own
// the values: they must outlive the import.
struct ImportColumn {
  ImportColumn(std::string name, absl::Span<const uint8_t> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_UINT8, values) {}
  ImportColumn(std::string name, absl::Span<const uint16_t> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_UINT16, values) {}
  ImportColumn(std::string name, absl::Span<const uint32_t> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_UINT32, values) {}
  ImportColumn(std::string name, absl::Span<const int64_t> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_INT64, values) {}
  ImportColumn(std::string name, absl::Span<const float> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_FLOAT32, values) {}
  ImportColumn(std::string name, absl::Span<const double> values)
      : ImportColumn(std::move(name), v1::COLUMN_TYPE_FLOAT64, values) {}
  // `little_endian` holds the values as they travel.
  ImportColumn(std::string name, v1::ColumnType type, absl::string_view little_endian)
      : name(std::move(name)), type(type), bytes(little_endian) {}

  std::string name;
  v1::ColumnType type;
  absl::string_view bytes;

 private:
  template <class T>
  ImportColumn(std::string name, v1::ColumnType type, absl::Span<const T> values)
      : name(std::move(name)),
        type(type),
        bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)) {}
};

struct DatasetImport {
  std::string name;
  uint64_t num_samples = 0;
  std::vector<ImportColumn> columns;  // may be empty: uniform sampling needs none
  bool create_only = false;           // kAlreadyExists if there is one of that name
  // Called after every piece, on the calling thread; starts again at 0 when the import does.
  std::function<void(uint64_t bytes_sent, uint64_t bytes_total)> progress;
};

}  // namespace subset

#endif  // SUBSET_DATASET_IMPORT_H_
