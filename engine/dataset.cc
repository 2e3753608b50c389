#include "engine/dataset.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "engine/sha256.h"
#include "sampling/strata.h"

namespace subset {
namespace {

using sampling::ColumnView;

absl::StatusOr<ColumnView::Type> TypeOfStrata(const v1::Column& column) {
  switch (column.type()) {
    case v1::COLUMN_TYPE_UINT8:
      return ColumnView::Type::kUint8;
    case v1::COLUMN_TYPE_UINT16:
      return ColumnView::Type::kUint16;
    case v1::COLUMN_TYPE_UINT32:
      return ColumnView::Type::kUint32;
    case v1::COLUMN_TYPE_INT64:
      return ColumnView::Type::kInt64;
    default:
      return WithReason(
          absl::FailedPreconditionError(absl::StrCat(
              "column \"", column.name(), "\" is not of an integer type: it cannot be strata")),
          "COLUMN_NOT_STRATA");
  }
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

StoredColumn::StoredColumn(log::v1::StoredColumn stored, uint64_t num_samples,
                           std::shared_ptr<const ColumnValues> values)
    : stored_(std::move(stored)), num_samples_(num_samples), values_(std::move(values)) {}

uint64_t StoredColumn::memory_bytes() const { return num_samples_ * ColumnWidth(column().type()); }

absl::StatusOr<std::shared_ptr<const sampling::Strata>> StoredColumn::Strata() const {
  MutexLock lock(&mu_);
  if (strata_ != nullptr) return strata_;
  SUBSET_ASSIGN_OR_RETURN(const ColumnView::Type type, TypeOfStrata(column()));
  SUBSET_CHECK(values_ != nullptr);
  std::vector<const void*> chunks;
  for (const std::string& chunk : values_->chunks) chunks.push_back(chunk.data());
  absl::StatusOr<std::shared_ptr<const sampling::Strata>> strata =
      sampling::BuildStrata({type, absl::MakeConstSpan(chunks)}, num_samples_);
  if (!strata.ok()) {
    return WithReason(absl::FailedPreconditionError(absl::StrCat(
                          "column \"", column().name(), "\": ", strata.status().message())),
                      "COLUMN_NOT_STRATA");
  }
  strata_ = *std::move(strata);
  return strata_;
}

uint64_t Dataset::memory_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, column] : columns) bytes += column->memory_bytes();
  return bytes;
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
