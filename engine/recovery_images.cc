#include "engine/recovery_images.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "engine/column_rows.h"
#include "engine/image_names.h"
#include "sampling/columns.h"

namespace subset {
namespace {

using sampling::kChunkSamples;

absl::Status BadImage(absl::string_view name, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("image \"", name, "\" ", why));
}

// Visits the images of a kind with their names taken apart.
absl::Status ReadKind(Store* store, const std::string& kind, size_t parts,
                      absl::FunctionRef<absl::Status(
                          absl::string_view name, const ImageName& parsed, absl::string_view bytes)>
                          visit) {
  return store->ReadImages(absl::StrCat(kind, "/"),
                           [&](absl::string_view name, absl::string_view bytes) -> absl::Status {
                             const std::optional<ImageName> parsed = ParseImageName(name);
                             if (!parsed.has_value() || parsed->parts.size() != parts) {
                               return BadImage(name, "has a name this version does not know");
                             }
                             return visit(name, *parsed, bytes);
                           });
}

absl::StatusOr<log::v1::Chunk> ParseChunk(absl::string_view name, absl::string_view bytes) {
  log::v1::Chunk chunk;
  if (!chunk.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return BadImage(name, "is damaged");
  }
  return chunk;
}

// The columns that need values: by import, then name. One import may be shared by several.
using Wanted = std::map<std::pair<Uid, std::string>, std::shared_ptr<StoredColumn>>;

Wanted ColumnsOf(const Catalog& catalog) {
  Wanted wanted;
  for (const auto& dataset : catalog.Datasets()) {
    for (const auto& [name, column] : dataset->columns) {
      wanted[{column->import_uid(), name}] = column;
    }
  }
  for (const auto& run : catalog.Runs()) {
    for (const auto& epoch : run->MutableEpochs()) {
      for (const auto& [name, column] : epoch->columns) {
        wanted[{column->import_uid(), name}] = std::const_pointer_cast<StoredColumn>(column);
      }
    }
  }
  return wanted;
}

}  // namespace

absl::Status RecoveredScores::Read(Store* store) {
  return ReadKind(store, "run", 2,
                  [this](absl::string_view name, const ImageName& parsed,
                         absl::string_view bytes) -> absl::Status {
                    SUBSET_ASSIGN_OR_RETURN(log::v1::Chunk image, ParseChunk(name, bytes));
                    const std::optional<uint64_t> number = ParseHexName(parsed.parts[1]);
                    if (!number.has_value() || image.type() != v1::COLUMN_TYPE_FLOAT32) {
                      return BadImage(name, "is not a chunk of scores");
                    }
                    Chunk chunk;
                    chunk.column = std::string(parsed.parts[0]);
                    chunk.number = *number;
                    chunk.sequence = image.sequence();
                    chunk.values = std::move(*image.mutable_values());
                    chunks_[parsed.owner].push_back(std::move(chunk));
                    return absl::OkStatus();
                  });
}

std::unique_ptr<ScoreTable> RecoveredScores::Take(Uid run, uint64_t num_samples) {
  const auto it = chunks_.find(run);
  if (it == chunks_.end()) return nullptr;
  auto table = std::make_unique<ScoreTable>(num_samples);
  for (Chunk& chunk : it->second) {
    status_.Update(
        table->Load(chunk.column, chunk.number, chunk.sequence, std::move(chunk.values)));
  }
  chunks_.erase(it);
  return table;
}

std::vector<std::string> RecoveredScores::Orphans() const {
  std::vector<std::string> orphans;
  for (const auto& [run, chunks] : chunks_) orphans.push_back(RunPrefix(run));
  return orphans;
}

absl::Status LoadColumns(Store* store, const Catalog& catalog, std::vector<std::string>* orphans) {
  const Wanted wanted = ColumnsOf(catalog);
  std::map<std::pair<Uid, std::string>, ColumnValues> loaded;
  SUBSET_RETURN_IF_ERROR(
      ReadKind(store, "import", 2,
               [&](absl::string_view name, const ImageName& parsed,
                   absl::string_view bytes) -> absl::Status {
                 const std::pair<Uid, std::string> key{parsed.owner, std::string(parsed.parts[0])};
                 if (wanted.count(key) == 0) {
                   std::string prefix = ImportColumnPrefix(key.first, key.second);
                   if (orphans->empty() || orphans->back() != prefix)
                     orphans->push_back(std::move(prefix));
                   return absl::OkStatus();
                 }
                 SUBSET_ASSIGN_OR_RETURN(log::v1::Chunk image, ParseChunk(name, bytes));
                 std::vector<std::string>& chunks = loaded[key].chunks;
                 if (ParseHexName(parsed.parts[1]) != chunks.size()) {
                   return BadImage(name, absl::StrCat("is there, but not chunk ", chunks.size()));
                 }
                 chunks.push_back(std::move(*image.mutable_values()));
                 return absl::OkStatus();
               }));
  for (const auto& [key, column] : wanted) {
    ColumnValues& values = loaded[key];
    uint64_t bytes = 0;
    uint64_t samples = 0;
    bool whole_chunks = true;
    for (const std::string& chunk : values.chunks) {
      const ColumnRows rows = TakeRows(column->column().type(), chunk, kChunkSamples);
      whole_chunks = whole_chunks && samples % kChunkSamples == 0 && rows.bytes == chunk.size();
      samples += rows.samples;
      bytes += chunk.size();
    }
    if (!whole_chunks || samples != column->num_samples() || bytes != column->memory_bytes()) {
      return BadImage(ImportColumnPrefix(key.first, key.second),
                      absl::StrCat("holds ", bytes, " bytes in ", values.chunks.size(),
                                   " chunks, of a column of ", column->memory_bytes(), " bytes"));
    }
    column->set_values(std::make_shared<const ColumnValues>(std::move(values)));
  }
  return absl::OkStatus();
}

absl::Status LoadLiveBatches(Store* store, const Catalog& catalog, std::set<std::string>* names,
                             std::vector<std::string>* orphans) {
  SUBSET_RETURN_IF_ERROR(
      ReadKind(store, "live", 2,
               [&](absl::string_view name, const ImageName& parsed,
                   absl::string_view bytes) -> absl::Status {
                 const std::shared_ptr<Run> run = catalog.FindRun(parsed.owner);
                 const std::optional<uint64_t> epoch = ParseHexName(parsed.parts[0]);
                 const std::optional<uint64_t> step = ParseHexName(parsed.parts[1]);
                 log::v1::LiveBatch image;
                 if (!epoch.has_value() || !step.has_value() ||
                     !image.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
                   return BadImage(name, "is damaged");
                 }
                 if (run == nullptr || run->FindEpoch(*epoch) == nullptr) {
                   orphans->emplace_back(name);
                   return absl::OkStatus();
                 }
                 names->emplace(name);
                 run->live_draws().Load(
                     *step, {image.sequence(), std::make_shared<const log::v1::BatchDrawn>(
                                                   std::move(*image.mutable_drawn()))});
                 return absl::OkStatus();
               }));
  for (const auto& run : catalog.Runs()) {
    uint32_t keep = 0;
    for (const auto& epoch : run->Epochs())
      keep = std::max(keep, epoch->opened.keep_live_batches());
    if (keep > 0) run->live_draws().Settle(keep);
  }
  return absl::OkStatus();
}

absl::Status FindStalePieces(Store* store, uint64_t catalog_sequence,
                             std::vector<std::string>* orphans) {
  return store->ReadImages("catalog/",
                           [&](absl::string_view name, absl::string_view) -> absl::Status {
                             const std::optional<ImageName> parsed = ParseImageName(name);
                             if (!parsed.has_value())
                               return BadImage(name, "has a name this version does not know");
                             if (parsed->owner != catalog_sequence) orphans->emplace_back(name);
                             return absl::OkStatus();
                           });
}

}  // namespace subset
