#include "engine/dataset_import.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "engine/column_rows.h"
#include "engine/image_names.h"
#include "sampling/strata.h"

namespace subset {
namespace {

using sampling::kChunkSamples;

template <typename T>
absl::Status CheckFinite(absl::string_view bytes, const std::string& column,
                         uint64_t first_sample) {
  for (size_t i = 0; i * sizeof(T) < bytes.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    if (!std::isinf(value)) continue;
    return WithReason(WithField(absl::FailedPreconditionError(absl::StrCat(
                                    "chunk.data: sample ", first_sample + i, " of column \"",
                                    column, "\" is infinite; NaN means missing")),
                                "chunk.data"),
                      "INFINITE_VALUE");
  }
  return absl::OkStatus();
}

}  // namespace

template <typename T>
void DistinctCounter::AddValues(absl::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(T)) {
    if (values_.size() > sampling::kMaxStrata) return;
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    if constexpr (sizeof(T) <= 2) {
      if (small_[value]) continue;
      small_[value] = true;
    }
    values_.insert(static_cast<int64_t>(value));
  }
}

void DistinctCounter::Add(absl::string_view bytes) {
  switch (type_) {
    case v1::COLUMN_TYPE_UINT8:
      return AddValues<uint8_t>(bytes);
    case v1::COLUMN_TYPE_UINT16:
      return AddValues<uint16_t>(bytes);
    case v1::COLUMN_TYPE_UINT32:
      return AddValues<uint32_t>(bytes);
    case v1::COLUMN_TYPE_INT64:
      return AddValues<int64_t>(bytes);
    case v1::COLUMN_TYPE_LABEL_SET:
      while (!bytes.empty()) {
        const uint64_t labels = TakeRows(type_, bytes, 1).labels() * sizeof(uint32_t);
        AddValues<uint32_t>(bytes.substr(sizeof(uint32_t), labels));
        bytes.remove_prefix(sizeof(uint32_t) + labels);
      }
      return;
    default:
      return;
  }
}

absl::Status ValidateHeader(const v1::ImportDatasetRequest::Header& header) {
  SUBSET_RETURN_IF_ERROR(ValidateName("header.dataset", header.dataset()));
  if (header.num_samples() == 0 || header.num_samples() > kMaxSamples) {
    return InvalidField("header.num_samples",
                        absl::StrCat(header.num_samples(), " is outside [1, ", kMaxSamples, "]"));
  }
  std::map<std::string, int> names;
  for (int i = 0; i < header.columns_size(); ++i) {
    const v1::Column& column = header.columns(i);
    const std::string path = absl::StrCat("header.columns[", i, "]");
    SUBSET_RETURN_IF_ERROR(ValidateName(absl::StrCat(path, ".name"), column.name()));
    if (ColumnWidth(column.type()) == 0) {
      return InvalidField(
          absl::StrCat(path, ".type"),
          absl::StrCat(static_cast<int>(column.type()), " is not a type this version knows"));
    }
    const bool sets = column.type() == v1::COLUMN_TYPE_LABEL_SET;
    const uint64_t most_labels = sets ? header.num_samples() * kMaxLabels : 0;
    if (column.num_labels() > most_labels) {
      return InvalidField(absl::StrCat(path, ".num_labels"),
                          absl::StrCat(column.num_labels(), " is outside [0, ", most_labels, "]",
                                       sets ? "" : ": only LABEL_SET has labels"));
    }
    if (!names.emplace(column.name(), i).second) {
      return InvalidField(absl::StrCat(path, ".name"),
                          absl::StrCat("\"", column.name(), "\" is there twice"));
    }
  }
  return absl::OkStatus();
}

ImportInProgress::ImportInProgress(v1::ImportDatasetRequest::Header header, Uid import_uid,
                                   Store* store, Ports ports)
    : header_(std::move(header)), import_uid_(import_uid), store_(store), ports_(std::move(ports)) {
  for (const v1::Column& declared : header_.columns()) {
    v1::Column column;
    column.set_name(declared.name());
    column.set_type(declared.type());
    column.set_num_labels(declared.num_labels());
    columns_[declared.name()] = std::make_unique<Column>(column);
  }
}

ImportInProgress::~ImportInProgress() {
  if (!committed_) ports_.discard(import_uid_);
}

absl::Status ImportInProgress::CheckValues(const Column& column,
                                           const v1::ImportDatasetRequest::Chunk& chunk) const {
  switch (column.declared.type()) {
    case v1::COLUMN_TYPE_FLOAT32:
      return CheckFinite<float>(chunk.data(), chunk.column(), column.samples);
    case v1::COLUMN_TYPE_FLOAT64:
      return CheckFinite<double>(chunk.data(), chunk.column(), column.samples);
    case v1::COLUMN_TYPE_LABEL_SET:
      return CheckLabelSets(chunk.data(), chunk.column(), column.samples);
    default:
      return absl::OkStatus();
  }
}

absl::Status ImportInProgress::CheckChunk(const Column& column,
                                          const v1::ImportDatasetRequest::Chunk& chunk) const {
  const v1::ColumnType type = column.declared.type();
  const uint64_t width = ColumnWidth(type);
  if (chunk.first_sample() != column.samples) {
    return InvalidField("chunk.first_sample",
                        absl::StrCat(chunk.first_sample(), " is out of order: column \"",
                                     chunk.column(), "\" continues at ", column.samples));
  }
  const uint64_t size = chunk.data().size();
  if (size == 0 || size > kMaxChunkBytes || size % width != 0) {
    return InvalidField("chunk.data",
                        absl::StrCat("has ", size, " bytes: not a multiple of ", width, " in [",
                                     width, ", ", kMaxChunkBytes, "]"));
  }
  SUBSET_RETURN_IF_ERROR(CheckValues(column, chunk));
  const ColumnRows rows = TakeRows(type, chunk.data(), size);
  if (rows.samples > header_.num_samples() - column.samples) {
    return InvalidField(
        "chunk.data", absl::StrCat("ends at sample ", column.samples + rows.samples, ", past the ",
                                   header_.num_samples(), " of the dataset"));
  }
  if (type == v1::COLUMN_TYPE_LABEL_SET &&
      rows.labels() > column.declared.num_labels() - column.labels) {
    return InvalidField(
        "chunk.data",
        absl::StrCat("brings column \"", chunk.column(), "\" to ", column.labels + rows.labels(),
                     " labels, past its num_labels ", column.declared.num_labels()));
  }
  return absl::OkStatus();
}

absl::Status ImportInProgress::Take(const std::string& name, absl::string_view data,
                                    Column* column) {
  const v1::ColumnType type = column->declared.type();
  while (!data.empty()) {
    const uint64_t begun = column->samples % kChunkSamples;
    const ColumnRows rows = TakeRows(type, data, kChunkSamples - begun);
    column->open_chunk.append(data.data(), rows.bytes);
    data.remove_prefix(rows.bytes);
    column->samples += rows.samples;
    if (type == v1::COLUMN_TYPE_LABEL_SET) {
      column->labels += rows.labels();
      const ColumnRows open = {begun + rows.samples, column->open_chunk.size()};
      if (open.labels() > kMaxChunkLabels) {
        const uint64_t first = column->samples - open.samples;
        return InvalidField(
            "chunk.data", absl::StrCat("brings samples ", first, " to ", first + kChunkSamples - 1,
                                       " of column \"", name, "\" to ", open.labels(),
                                       " labels, more than ", kMaxChunkLabels));
      }
    }
    if (column->samples % kChunkSamples == 0) SUBSET_RETURN_IF_ERROR(WriteChunk(name, column));
  }
  return absl::OkStatus();
}

absl::Status ImportInProgress::Append(const v1::ImportDatasetRequest::Chunk& chunk) {
  SUBSET_RETURN_IF_ERROR(failed_);
  const auto it = columns_.find(chunk.column());
  if (it == columns_.end()) {
    failed_ = InvalidField("chunk.column",
                           absl::StrCat("\"", absl::CHexEscape(chunk.column().substr(0, 64)),
                                        "\" is not a column the header declares"));
    return failed_;
  }
  Column& column = *it->second;
  failed_ = CheckChunk(column, chunk);
  SUBSET_RETURN_IF_ERROR(failed_);
  column.sha256.Update(chunk.data());
  column.distinct.Add(chunk.data());
  failed_ = Take(it->first, chunk.data(), &column);
  return failed_;
}

absl::Status ImportInProgress::WriteChunk(const std::string& name, Column* column) {
  log::v1::Chunk chunk;
  chunk.set_type(column->declared.type());
  chunk.set_values(column->open_chunk);
  const std::string bytes = chunk.SerializeAsString();
  const Image image{
      absl::StrCat(ImportColumnPrefix(import_uid_, name), HexName(column->values.chunks.size())),
      bytes};
  SUBSET_RETURN_IF_ERROR(store_->WriteImages({&image, 1}, {}, /*sync=*/false));
  column->open_chunk.shrink_to_fit();
  column->values.chunks.push_back(std::move(column->open_chunk));
  column->open_chunk.clear();
  return absl::OkStatus();
}

void ImportInProgress::Commit(absl::AnyInvocable<void(absl::StatusOr<v1::Dataset>)> done) {
  if (!failed_.ok()) return done(failed_);
  for (const auto& [name, column] : columns_) {
    if (column->samples < header_.num_samples()) {
      failed_ = InvalidField(
          "chunk", absl::StrCat("is truncated: column \"", name, "\" has ", column->samples, " of ",
                                header_.num_samples(), " samples"));
      return done(failed_);
    }
    if (column->labels < column->declared.num_labels()) {
      failed_ = InvalidField(
          "chunk", absl::StrCat("is truncated: column \"", name, "\" has ", column->labels,
                                " of its ", column->declared.num_labels(), " labels"));
      return done(failed_);
    }
  }
  log::v1::DatasetCommitted committed;
  committed.set_name(header_.dataset());
  committed.set_num_samples(header_.num_samples());
  committed.set_import_uid(import_uid_);
  committed.set_create_only(header_.create_only());
  Attachments attachments;
  for (auto& [name, column] : columns_) {
    if (!column->open_chunk.empty()) failed_ = WriteChunk(name, column.get());
    if (!failed_.ok()) return done(failed_);
    column->declared.set_sha256(column->sha256.HexDigest());
    column->declared.set_distinct_values(column->distinct.count());
    *committed.add_columns() = column->declared;
    attachments.columns[name] = std::make_shared<const ColumnValues>(std::move(column->values));
  }
  // On disk before the record that makes them visible.
  failed_ = store_->WriteImages({}, {}, /*sync=*/true);
  if (!failed_.ok()) return done(failed_);
  committed_ = true;
  failed_ = absl::FailedPreconditionError("this import was committed");
  ports_.commit(std::move(committed), std::move(attachments), std::move(done));
}

}  // namespace subset
