#include "engine/image_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "engine/image_names.h"

namespace subset {
namespace {

// How often the store is asked for its size: when the log grew by this share of the bound.
constexpr uint64_t kChecksPerBound = 16;

std::string ChunkImage(const ModifiedChunk& chunk, uint64_t sequence) {
  log::v1::Chunk image;
  image.set_sequence(sequence);
  image.set_type(v1::COLUMN_TYPE_FLOAT32);
  image.set_values(chunk.values.get(), chunk.size * sizeof(float));
  return image.SerializeAsString();
}

}  // namespace

ImageKeeper::ImageKeeper(const EngineOptions& options, Store* store, Catalog* catalog,
                         Writer* writer, uint64_t catalog_sequence,
                         std::set<std::string> live_images)
    : store_(store),
      catalog_(catalog),
      writer_(writer),
      observer_(options.observer),
      clock_(options.clock),
      min_fold_bytes_(options.min_fold_bytes),
      catalog_sequence_(catalog_sequence),
      live_images_(std::move(live_images)),
      thread_([this] { Loop(); }) {}

ImageKeeper::~ImageKeeper() { Stop(); }

void ImageKeeper::NoteLog(size_t bytes) {
  MutexLock lock(&mu_);
  unchecked_bytes_ += bytes;
  if (unchecked_bytes_ < min_fold_bytes_ / kChecksPerBound) return;
  unchecked_bytes_ = 0;
  check_log_ = true;
  wake_.NotifyOne();
}

void ImageKeeper::Delete(std::vector<std::string> prefixes) {
  if (prefixes.empty()) return;
  MutexLock lock(&mu_);
  deletes_.insert(deletes_.end(), std::make_move_iterator(prefixes.begin()),
                  std::make_move_iterator(prefixes.end()));
  wake_.NotifyOne();
}

void ImageKeeper::DeleteAfterCatalog(std::vector<std::string> prefixes) {
  MutexLock lock(&mu_);
  deletes_after_catalog_.insert(deletes_after_catalog_.end(),
                                std::make_move_iterator(prefixes.begin()),
                                std::make_move_iterator(prefixes.end()));
}

absl::Status ImageKeeper::FoldNow() {
  MutexLock lock(&mu_);
  if (stopped_) return absl::UnavailableError("the server is shutting down");
  const uint64_t mine = ++rounds_wanted_;
  wake_.NotifyOne();
  while (rounds_done_ < mine) finished_.Wait(&mu_);
  return last_round_;
}

void ImageKeeper::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void ImageKeeper::Loop() {
  while (true) {
    std::vector<std::string> deletes;
    uint64_t wanted;
    bool check;
    {
      MutexLock lock(&mu_);
      while (!stopped_ && deletes_.empty() && rounds_wanted_ == rounds_done_ && !check_log_) {
        wake_.Wait(&mu_);
      }
      if (stopped_ && deletes_.empty() && rounds_wanted_ == rounds_done_) return;
      deletes.swap(deletes_);
      wanted = rounds_wanted_;
      check = std::exchange(check_log_, false);
    }
    if (!deletes.empty()) {
      const absl::Status deleted = store_->WriteImages({}, deletes, /*sync=*/false);
      // What stays is found and deleted at the next open.
      if (!deleted.ok()) {
        Log(LogLevel::kWarning, "images not deleted", {{"error", deleted.ToString()}});
      }
    }
    bool fold = false;
    {
      MutexLock lock(&mu_);
      fold = wanted > rounds_done_;
    }
    if (!fold && check) {
      const StoreInfo info = store_->Info();
      fold = info.log_bytes > std::max(min_fold_bytes_, info.image_bytes);
    }
    if (!fold) continue;
    const absl::Status round = Round();
    if (!round.ok()) Log(LogLevel::kWarning, "fold failed", {{"error", round.ToString()}});
    MutexLock lock(&mu_);
    last_round_ = round;
    rounds_done_ = wanted;
    finished_.NotifyAll();
  }
}

absl::Status ImageKeeper::OnWriter(absl::AnyInvocable<void()> task) {
  Mutex mu;
  CondVar ran_changed;
  bool ran = false;
  SUBSET_RETURN_IF_ERROR(writer_->Run([&] {
    task();
    MutexLock lock(&mu);
    ran = true;
    ran_changed.NotifyOne();
  }));
  MutexLock lock(&mu);
  while (!ran) ran_changed.Wait(&mu);
  return absl::OkStatus();
}

ImageKeeper::Moment ImageKeeper::Take() {
  Moment moment;
  moment.sequence = catalog_->sequence();
  moment.catalog = catalog_->Save().SerializeAsString();
  for (const std::shared_ptr<Run>& run : catalog_->Runs()) {
    for (ModifiedScores& scores : run->Modified()) {
      moment.scores.emplace_back(run, std::move(scores));
    }
    for (auto& [key, kept] : run->live_draws().AllKept()) {
      moment.live[LiveBatchName(run->uid(), key.first, key.second)] = kept;
    }
  }
  // Uids rise: a copy has a higher one than its source.
  std::sort(moment.scores.begin(), moment.scores.end(),
            [](const auto& a, const auto& b) { return a.second.table > b.second.table; });
  if (moment.sequence != catalog_sequence_) {
    MutexLock lock(&mu_);
    moment.deletes.swap(deletes_after_catalog_);
  }
  return moment;
}

absl::Status ImageKeeper::WritePiece(std::vector<std::pair<std::string, std::string>>* piece,
                                     bool all) {
  uint64_t bytes = 0;
  std::vector<Image> images;
  for (const auto& [name, value] : *piece) {
    bytes += value.size();
    images.push_back({name, value});
  }
  if (images.empty() || (!all && bytes < kMaxPieceBytes / 2)) return absl::OkStatus();
  written_bytes_ += bytes;
  SUBSET_RETURN_IF_ERROR(store_->WriteImages(images, {}, /*sync=*/false));
  piece->clear();
  return absl::OkStatus();
}

absl::Status ImageKeeper::WriteChunks(const Moment& moment) {
  std::vector<std::pair<std::string, std::string>> piece;
  for (const auto& [run, scores] : moment.scores) {
    for (const ModifiedChunk& chunk : scores.chunks) {
      piece.emplace_back(
          absl::StrCat(RunPrefix(scores.table), chunk.column, "/", HexName(chunk.chunk)),
          ChunkImage(chunk, moment.sequence));
      SUBSET_RETURN_IF_ERROR(WritePiece(&piece, /*all=*/false));
    }
  }
  return WritePiece(&piece, /*all=*/true);
}

absl::Status ImageKeeper::WriteLive(const Moment& moment) {
  std::vector<std::pair<std::string, std::string>> piece;
  for (const auto& [name, kept] : moment.live) {
    if (live_images_.count(name) > 0) continue;
    log::v1::LiveBatch image;
    image.set_sequence(kept.sequence);
    *image.mutable_drawn() = *kept.batch;
    piece.emplace_back(name, image.SerializeAsString());
    SUBSET_RETURN_IF_ERROR(WritePiece(&piece, /*all=*/false));
  }
  return WritePiece(&piece, /*all=*/true);
}

absl::Status ImageKeeper::WriteCatalog(const Moment& moment) {
  const absl::string_view bytes = moment.catalog;
  for (uint64_t piece = 0; piece * kMaxPieceBytes < bytes.size(); ++piece) {
    const Image image{absl::StrCat(CatalogPrefix(moment.sequence), HexName(piece)),
                      bytes.substr(piece * kMaxPieceBytes, kMaxPieceBytes)};
    SUBSET_RETURN_IF_ERROR(store_->WriteImages({&image, 1}, {}, /*sync=*/false));
  }
  log::v1::CatalogHeader header;
  header.set_format(kCatalogFormat);
  header.set_sequence(moment.sequence);
  header.set_size_bytes(bytes.size());
  const std::string header_bytes = header.SerializeAsString();
  // Live batches that are gone go with the catalog that still had them: without it, one of them
  // would look as if it had never been drawn.
  std::vector<std::string> deletes = moment.deletes;
  for (const std::string& name : live_images_) {
    if (moment.live.count(name) == 0) deletes.push_back(name);
  }
  if (catalog_sequence_ != 0) deletes.push_back(CatalogPrefix(catalog_sequence_));
  const Image image{kCatalogImage, header_bytes};
  SUBSET_RETURN_IF_ERROR(store_->WriteImages({&image, 1}, deletes, /*sync=*/true));
  written_bytes_ += bytes.size();
  catalog_sequence_ = moment.sequence;
  live_images_.clear();
  for (const auto& [name, kept] : moment.live) live_images_.insert(name);
  return absl::OkStatus();
}

absl::Status ImageKeeper::Round() {
  const absl::Duration start = clock_->Monotonic();
  written_bytes_ = 0;
  Moment moment;
  SUBSET_RETURN_IF_ERROR(OnWriter([this, &moment] { moment = Take(); }));
  if (moment.sequence == catalog_sequence_) return absl::OkStatus();
  absl::Status written = WriteChunks(moment);
  if (written.ok()) written = WriteLive(moment);
  if (written.ok()) written = WriteCatalog(moment);
  if (!written.ok()) {
    DeleteAfterCatalog(std::move(moment.deletes));
    return written;
  }
  absl::Status trimmed;
  SUBSET_RETURN_IF_ERROR(OnWriter([this, &moment, &trimmed] {
    for (const auto& [run, scores] : moment.scores) run->NoteImages(scores, moment.sequence);
    trimmed = store_->Trim(moment.sequence + 1);
  }));
  if (observer_ != nullptr) observer_->OnFold(written_bytes_, clock_->Monotonic() - start);
  return trimmed;
}

}  // namespace subset
