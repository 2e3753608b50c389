// Datasets in memory: immutable values, replaced as a whole when an import commits.

#ifndef SUBSET_ENGINE_DATASET_H_
#define SUBSET_ENGINE_DATASET_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/types.h"
#include "sampling/columns.h"
#include "subset/log/v1/image.pb.h"
#include "subset/v1/dataset.pb.h"

namespace subset {

// Returns the bytes of one value, or of one label; 0 for a type this version does not know.
uint64_t ColumnWidth(v1::ColumnType type);
bool IsIntegerColumn(v1::ColumnType type);

// Returns the bytes of all values of a column.
uint64_t ColumnBytes(const v1::Column& column, uint64_t num_samples);

// The values of a column: chunk c holds samples c * sampling::kChunkSamples onwards, little-endian.
struct ColumnValues {
  std::vector<std::string> chunks;
};

// One column as one import brought it. Immutable but for the strata; thread-safe.
class StoredColumn {
 public:
  // `values` may be null while the log is replayed; see set_values.
  StoredColumn(log::v1::StoredColumn stored, uint64_t num_samples,
               std::shared_ptr<const ColumnValues> values);

  const v1::Column& column() const { return stored_.column(); }
  Uid import_uid() const { return stored_.import_uid(); }
  uint64_t columns_version() const { return stored_.columns_version(); }
  const log::v1::StoredColumn& stored() const { return stored_; }
  uint64_t num_samples() const { return num_samples_; }
  uint64_t memory_bytes() const;  // of the values, and of the strata once they are built

  // For recovery, before other threads see the column.
  bool has_values() const { return values_ != nullptr; }
  void set_values(std::shared_ptr<const ColumnValues> values);

  bool is_label_set() const { return column().type() == v1::COLUMN_TYPE_LABEL_SET; }

  // The values, for as long as the column lives. REQUIRES: has_values(), !is_label_set().
  sampling::ColumnView view() const;
  // REQUIRES: has_values(), is_label_set().
  sampling::LabelSetView label_sets() const;

  // Returns the samples sorted by this column, built at the first call and shared from then on.
  // O(N) then. Fails with kFailedPrecondition if the column cannot be strata.
  absl::StatusOr<std::shared_ptr<const sampling::Strata>> Strata() const;

 private:
  // Constant after construction (and recovery).
  const log::v1::StoredColumn stored_;
  const uint64_t num_samples_;
  std::shared_ptr<const ColumnValues> values_;
  std::vector<const void*> chunks_;  // of values_

  mutable Mutex mu_;
  mutable std::shared_ptr<const sampling::Strata> strata_ ABSL_GUARDED_BY(mu_);
  mutable std::atomic<uint64_t> strata_bytes_{0};  // relaxed: a figure; mu_ is held for long
};

// Columns that a plan reads, by name, each as one import brought it.
using PinnedColumns = std::map<std::string, std::shared_ptr<const StoredColumn>>;

// Returns views of the columns, for as long as these live.
sampling::Columns ViewsOf(const PinnedColumns& columns);

// A dataset at one columns_version. Immutable.
struct Dataset {
  v1::Dataset proto;  // complete, columns by name
  std::map<std::string, std::shared_ptr<StoredColumn>> columns;

  Uid uid() const { return proto.uid(); }
  const std::string& name() const { return proto.name(); }
  uint64_t num_samples() const { return proto.num_samples(); }
  uint64_t memory_bytes() const;

  // Returns the columns of these names, or kNotFound with the nearest known name.
  absl::StatusOr<PinnedColumns> Pin(const std::set<std::string>& names) const;
  absl::StatusOr<std::shared_ptr<const StoredColumn>> RequireColumn(const std::string& name) const;

  // Checks that each of the columns, where the dataset has one of that name, is of the same kind:
  // label sets, or one value per sample. What reads a column relies on it. Fails with
  // kFailedPrecondition naming `field`.
  absl::Status CheckKinds(const google::protobuf::RepeatedPtrField<v1::Column>& imported,
                          absl::string_view field) const;

  // Fills in proto.columns and proto.fingerprint from `columns`.
  void Describe();
};

}  // namespace subset

#endif  // SUBSET_ENGINE_DATASET_H_
