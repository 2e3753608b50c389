#include "subset/dataset_import.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <cstring>
#include <memory>

#include "absl/base/config.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "client/cpp/connection.h"
#include "subset/client.h"

#ifndef ABSL_IS_LITTLE_ENDIAN
#error "Columns are sent as they lie in memory, which must be little-endian."
#endif

namespace subset {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;  // a multiple of every width

size_t Width(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT8:
      return 1;
    case v1::COLUMN_TYPE_UINT16:
      return 2;
    case v1::COLUMN_TYPE_UINT32:
    case v1::COLUMN_TYPE_FLOAT32:
    case v1::COLUMN_TYPE_LABEL_SET:  // of each label, and of how many there are
      return 4;
    case v1::COLUMN_TYPE_INT64:
    case v1::COLUMN_TYPE_FLOAT64:
      return 8;
    default:
      return 0;
  }
}

// Some samples that are sent together.
struct Piece {
  size_t bytes = 0;
  uint64_t samples = 0;
};

// Returns the whole samples, as many as one message may hold, that `bytes` begin with.
Piece FirstPiece(v1::ColumnType type, absl::string_view bytes) {
  bytes = bytes.substr(0, kChunkBytes);
  Piece piece;
  if (type != v1::COLUMN_TYPE_LABEL_SET) {
    piece.samples = bytes.size() / Width(type);
    piece.bytes = piece.samples * Width(type);
    return piece;
  }
  uint32_t labels;
  while (bytes.size() - piece.bytes >= sizeof(labels)) {
    std::memcpy(&labels, bytes.data() + piece.bytes, sizeof(labels));
    const size_t size = (size_t{1} + labels) * sizeof(labels);
    if (size > bytes.size() - piece.bytes) break;
    piece.bytes += size;
    ++piece.samples;
  }
  return piece;
}

uint64_t CountSamples(v1::ColumnType type, absl::string_view bytes) {
  uint64_t samples = 0;
  for (Piece piece; !bytes.empty(); bytes.remove_prefix(piece.bytes)) {
    piece = FirstPiece(type, bytes);
    if (piece.samples == 0) return 0;  // cut off
    samples += piece.samples;
  }
  return samples;
}

uint64_t CountLabels(const ImportColumn& column, uint64_t num_samples) {
  if (column.type != v1::COLUMN_TYPE_LABEL_SET) return 0;
  return column.bytes.size() / sizeof(uint32_t) - num_samples;
}

absl::Status Validate(const DatasetImport& dataset) {
  for (size_t i = 0; i < dataset.columns.size(); ++i) {
    const ImportColumn& column = dataset.columns[i];
    const std::string field = absl::StrCat("columns[", i, "] \"", column.name, "\"");
    const size_t width = Width(column.type);
    if (width == 0) return InvalidField(field, absl::StrCat("has no known type: ", column.type));
    if (column.type == v1::COLUMN_TYPE_LABEL_SET) {
      const uint64_t samples = CountSamples(column.type, column.bytes);
      if (samples == dataset.num_samples) continue;
      return InvalidField(field, absl::StrCat("holds label sets of ", samples, " samples; ",
                                              dataset.num_samples, " are needed"));
    }
    if (column.bytes.size() % width != 0 || column.bytes.size() / width != dataset.num_samples) {
      return InvalidField(field,
                          absl::StrCat("has ", column.bytes.size(), " bytes; ", dataset.num_samples,
                                       " samples of ", width, " bytes are needed"));
    }
  }
  return absl::OkStatus();
}

uint64_t TotalBytes(const DatasetImport& dataset) {
  uint64_t total = 0;
  for (const ImportColumn& column : dataset.columns) total += column.bytes.size();
  return total;
}

v1::ImportDatasetRequest HeaderOf(const DatasetImport& dataset) {
  v1::ImportDatasetRequest message;
  auto* header = message.mutable_header();
  header->set_dataset(dataset.name);
  header->set_num_samples(dataset.num_samples);
  header->set_create_only(dataset.create_only);
  for (const ImportColumn& column : dataset.columns) {
    auto* declared = header->add_columns();
    declared->set_name(column.name);
    declared->set_type(column.type);
    declared->set_num_labels(CountLabels(column, dataset.num_samples));
  }
  return message;
}

// Writes until the server has everything or has ended the call; Finish says which.
void WriteAll(const DatasetImport& dataset, grpc::ClientWriter<v1::ImportDatasetRequest>* writer) {
  if (!writer->Write(HeaderOf(dataset))) return;
  const uint64_t total = TotalBytes(dataset);
  uint64_t sent = 0;
  v1::ImportDatasetRequest message;
  for (const ImportColumn& column : dataset.columns) {
    absl::string_view left = column.bytes;
    for (uint64_t first = 0; !left.empty();) {
      const Piece piece = FirstPiece(column.type, left);
      auto* chunk = message.mutable_chunk();
      chunk->set_column(column.name);
      chunk->set_first_sample(first);
      chunk->set_data(left.data(), piece.bytes);
      if (!writer->Write(message)) return;
      left.remove_prefix(piece.bytes);
      first += piece.samples;
      sent += piece.bytes;
      if (dataset.progress) dataset.progress(sent, total);
    }
  }
  writer->WritesDone();
}

}  // namespace

absl::StatusOr<v1::Dataset> Client::ImportDataset(const DatasetImport& dataset, Timeout timeout) {
  const absl::Status valid = Validate(dataset);
  if (!valid.ok()) return valid;
  return client_internal::CallWithRetry<v1::Dataset>(
      *connection_,
      timeout.value_or(client_internal::UploadTimeout(*connection_, TotalBytes(dataset))),
      [&](grpc::ClientContext* context, v1::Dataset* response) {
        auto writer = connection_->datasets->ImportDataset(context, response);
        WriteAll(dataset, writer.get());
        return writer->Finish();
      });
}

}  // namespace subset
