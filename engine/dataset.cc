#include "engine/dataset.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/thread_executor.h"
#include "engine/names.h"
#include "engine/sha256.h"
#include "sampling/strata.h"

namespace subset {
namespace {

using sampling::ColumnView;

ColumnView::Type ViewType(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT16:
      return ColumnView::Type::kUint16;
    case v1::COLUMN_TYPE_UINT32:
      return ColumnView::Type::kUint32;
    case v1::COLUMN_TYPE_INT64:
      return ColumnView::Type::kInt64;
    case v1::COLUMN_TYPE_FLOAT32:
      return ColumnView::Type::kFloat32;
    case v1::COLUMN_TYPE_FLOAT64:
      return ColumnView::Type::kFloat64;
    default:
      return ColumnView::Type::kUint8;
  }
}

absl::Status NotStrata(const std::string& column, absl::string_view why) {
  return WithReason(absl::FailedPreconditionError(
                        absl::StrCat("column \"", column, "\" cannot be strata: ", why)),
                    "COLUMN_NOT_STRATA");
}

}  // namespace

uint64_t ColumnWidth(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT8:
      return 1;
    case v1::COLUMN_TYPE_UINT16:
      return 2;
    case v1::COLUMN_TYPE_UINT32:
    case v1::COLUMN_TYPE_FLOAT32:
    case v1::COLUMN_TYPE_LABEL_SET:
      return 4;
    case v1::COLUMN_TYPE_INT64:
    case v1::COLUMN_TYPE_FLOAT64:
      return 8;
    default:
      return 0;
  }
}

bool IsIntegerColumn(v1::ColumnType type) {
  return type == v1::COLUMN_TYPE_UINT8 || type == v1::COLUMN_TYPE_UINT16 ||
         type == v1::COLUMN_TYPE_UINT32 || type == v1::COLUMN_TYPE_INT64;
}

uint64_t ColumnBytes(const v1::Column& column, uint64_t num_samples) {
  const uint64_t sizes = num_samples * ColumnWidth(column.type());  // of label sets
  return sizes + column.num_labels() * sizeof(uint32_t);
}

StoredColumn::StoredColumn(log::v1::StoredColumn stored, uint64_t num_samples,
                           std::shared_ptr<const ColumnValues> values)
    : stored_(std::move(stored)), num_samples_(num_samples) {
  if (values != nullptr) set_values(std::move(values));
}

void StoredColumn::set_values(std::shared_ptr<const ColumnValues> values) {
  values_ = std::move(values);
  chunks_.clear();
  for (const std::string& chunk : values_->chunks) chunks_.push_back(chunk.data());
}

sampling::ColumnView StoredColumn::view() const {
  SUBSET_CHECK(values_ != nullptr && !is_label_set());
  return {ViewType(column().type()), absl::MakeConstSpan(chunks_)};
}

sampling::LabelSetView StoredColumn::label_sets() const {
  SUBSET_CHECK(values_ != nullptr && is_label_set());
  return {absl::MakeConstSpan(chunks_)};
}

uint64_t StoredColumn::memory_bytes() const {
  return ColumnBytes(column(), num_samples_) + strata_bytes_.load(std::memory_order_relaxed);
}

sampling::Columns ViewsOf(const PinnedColumns& columns) {
  sampling::Columns views;
  for (const auto& [name, column] : columns) {
    if (column->is_label_set()) {
      views.label_sets[name] = column->label_sets();
    } else {
      views.dataset[name] = column->view();
    }
  }
  return views;
}

absl::StatusOr<std::shared_ptr<const sampling::Strata>> StoredColumn::Strata() const {
  MutexLock lock(&mu_);
  if (strata_ != nullptr) return strata_;
  if (!IsIntegerColumn(column().type())) {
    return NotStrata(column().name(), "it is not of an integer type");
  }
  absl::StatusOr<std::shared_ptr<const sampling::Strata>> strata =
      sampling::BuildStrata(view(), num_samples_, "proportion.column", &AllThreads());
  if (!strata.ok()) return NotStrata(column().name(), strata.status().message());
  strata_ = *std::move(strata);
  strata_bytes_.store(strata_->members.size() * sizeof(uint32_t), std::memory_order_relaxed);
  return strata_;
}

uint64_t Dataset::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, column] : columns) bytes += column->memory_bytes();
  return bytes;
}

absl::StatusOr<std::shared_ptr<const StoredColumn>> Dataset::RequireColumn(
    const std::string& column) const {
  const auto it = columns.find(column);
  if (it != columns.end()) return std::shared_ptr<const StoredColumn>(it->second);
  std::vector<std::string> known;
  for (const auto& [other, stored] : columns) known.push_back(other);
  return NotFoundAmong(absl::StrCat("column of dataset \"", name(), "\""), column, known);
}

absl::StatusOr<PinnedColumns> Dataset::Pin(const std::set<std::string>& names) const {
  PinnedColumns pinned;
  for (const std::string& column : names) {
    SUBSET_ASSIGN_OR_RETURN(pinned[column], RequireColumn(column));
  }
  return pinned;
}

absl::Status Dataset::CheckKinds(const google::protobuf::RepeatedPtrField<v1::Column>& imported,
                                 absl::string_view field) const {
  for (const v1::Column& column : imported) {
    const auto it = columns.find(column.name());
    const bool sets = column.type() == v1::COLUMN_TYPE_LABEL_SET;
    if (it == columns.end() || it->second->is_label_set() == sets) continue;
    const char* kinds[] = {"one value per sample", "label sets"};
    return WithReason(
        WithField(absl::FailedPreconditionError(absl::StrCat(
                      field, ": column \"", column.name(), "\" of dataset \"", name(), "\" holds ",
                      kinds[!sets], "; ", kinds[sets], " need another name")),
                  field),
        "COLUMN_KIND_DIFFERS");
  }
  return absl::OkStatus();
}

void Dataset::Describe() {
  Sha256 fingerprint;
  fingerprint.Update(absl::StrCat("num_samples ", proto.num_samples(), "\n"));
  proto.clear_columns();
  for (const auto& [name, column] : columns) {
    *proto.add_columns() = column->column();
    fingerprint.Update(absl::StrCat(name, " ", static_cast<int>(column->column().type()), " ",
                                    column->column().sha256(), "\n"));
  }
  proto.set_fingerprint(fingerprint.HexDigest());
}

}  // namespace subset
