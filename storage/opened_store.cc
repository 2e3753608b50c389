#include "storage/opened_store.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "rocksdb/write_batch.h"
#include "storage/manifest_note.h"
#include "storage/record_frame.h"
#include "storage/rocks_info_log.h"
#include "storage/rocks_status.h"

namespace subset {
namespace {

constexpr int64_t kRecoveryPauseMs = 1000;

}  // namespace

OpenedStore::OpenedStore(const RocksStoreOptions& options, const RocksStoreSeams& seams,
                         std::unique_ptr<DataDirectory> directory,
                         std::unique_ptr<Watermark> watermark)
    : path_(options.path),
      reserve_bytes_(options.reserve_bytes),
      free_disk_bytes_(seams.free_disk_bytes),
      directory_(std::move(directory)),
      watermark_(std::move(watermark)),
      source_{directory_->database_path(), seams.env, seams.sizes, NewRocksInfoLog(),
              std::make_shared<RocksEvents>(directory_->database_path(), watermark_.get())} {}

absl::StatusOr<std::unique_ptr<Store>> OpenedStore::Open(const RocksStoreOptions& options,
                                                         const RocksStoreSeams& seams) {
  SUBSET_ASSIGN_OR_RETURN(std::unique_ptr<DataDirectory> directory,
                          DataDirectory::Lock(options.path, options.create_if_missing));
  SUBSET_RETURN_IF_ERROR(directory->Prepare(options.create_if_missing, [&seams](const std::string&
                                                                                    database_path) {
    return RocksDatabase::Make({database_path, seams.env, seams.sizes, NewRocksInfoLog(), nullptr});
  }));
  absl::StatusOr<std::unique_ptr<Watermark>> watermark =
      Watermark::Open(directory->watermark_path());
  if (!watermark.ok()) {
    return absl::IsDataLoss(watermark.status())
               ? Damaged(options.path, watermark.status().message())
               : watermark.status();
  }
  std::unique_ptr<OpenedStore> store(
      new OpenedStore(options, seams, std::move(directory), *std::move(watermark)));
  SUBSET_RETURN_IF_ERROR(store->Start());
  return store;
}

absl::Status OpenedStore::Start() {
  WriterLock db_lock(&db_mu_);
  SUBSET_ASSIGN_OR_RETURN(db_, RocksDatabase::Open(source_, watermark_->Get(), false));
  const RocksContents& found = db_->contents();
  const Tail tail{found.next_sequence, found.checksum};
  {
    MutexLock images_lock(&images_mu_);
    image_generation_ = found.image_generation;
  }
  {
    MutexLock lock(&state_mu_);
    tail_ = tail;
    first_sequence_ = found.first_sequence;
    log_size_.Reset(found.first_sequence, found.next_sequence,
                    ApproximateBytes(db_->log(), SequenceKey(found.first_sequence),
                                     SequenceKey(found.next_sequence)));
  }
  // RocksDatabase::Open made everything it found durable.
  NoteDurable(tail);
  LogNote(watermark_->NoteImages(found.image_generation));
  NoteManifestNow();
  return absl::OkStatus();
}

absl::Status OpenedStore::CheckReserve() {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t free, free_disk_bytes_(path_));
  const bool touched = free < reserve_bytes_;
  if (reserve_touched_.exchange(touched) != touched) {
    Log(touched ? LogLevel::kError : LogLevel::kInfo,
        touched ? "store is read-only: the disk is nearly full" : "store is writable again",
        {{"path", path_},
         {"free_bytes", absl::StrCat(free)},
         {"reserve_bytes", absl::StrCat(reserve_bytes_)}});
  }
  if (!touched) return absl::OkStatus();
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat("disk of data directory ", path_, " has ", free,
                                                " bytes free, less than the reserve of ",
                                                reserve_bytes_, ": read-only until space returns")),
      "DISK_RESERVE");
}

absl::Status OpenedStore::ReadyToWrite() {
  SUBSET_RETURN_IF_ERROR(CheckReserve());
  if (!source_.events->failed) return absl::OkStatus();
  WriterLock lock(&db_mu_);
  return source_.events->failed ? Reopen() : absl::OkStatus();
}

// Whoever sees a read-only store may send it no writes, and then no write would heal it.
void OpenedStore::TryToRecover() {
  const int64_t now = absl::ToInt64Milliseconds(Clock::Real()->Monotonic());
  int64_t last = last_recovery_ms_;
  if (last >= 0 && now - last < kRecoveryPauseMs) return;
  if (!last_recovery_ms_.compare_exchange_strong(last, now)) return;
  ReadyToWrite().IgnoreError();  // logged where it happens
}

absl::Status OpenedStore::Reopen() {
  SUBSET_RETURN_IF_ERROR(lost_);
  db_.reset();
  source_.events->failed = false;
  // Flushed, because pages of a write-ahead log whose fsync failed may never reach the disk.
  absl::StatusOr<std::unique_ptr<RocksDatabase>> opened =
      RocksDatabase::Open(source_, watermark_->Get(), true);
  if (!opened.ok()) {
    source_.events->failed = true;
    Log(LogLevel::kError, "database not reopened",
        {{"error", std::string(opened.status().message())}});
    return opened.status();
  }
  db_ = *std::move(opened);
  const RocksContents& found = db_->contents();
  const Tail tail = CurrentTail();
  absl::Status status;
  if (found.next_sequence < tail.next_sequence) {
    lost_ = Damaged(
        path_, absl::StrCat("after a failed write the log ends at record ", found.next_sequence - 1,
                            ", but record ", tail.next_sequence - 1,
                            " was appended, without being made durable"));
    status = lost_;
  } else if (found.next_sequence > tail.next_sequence) {
    status = DropRecordsFrom(tail.next_sequence, found.next_sequence);
  }
  if (!status.ok()) {
    source_.events->failed = true;
    return status;
  }
  {
    MutexLock lock(&images_mu_);
    image_generation_ = found.image_generation;
  }
  NoteDurable(tail);
  LogNote(watermark_->NoteImages(found.image_generation));
  NoteManifestNow();
  Log(LogLevel::kInfo, "database reopened after a failed write", {{"path", path_}});
  return absl::OkStatus();
}

absl::Status OpenedStore::DropRecordsFrom(uint64_t sequence, uint64_t end) {
  rocksdb::WriteBatch batch;
  for (uint64_t s = sequence; s < end; ++s) batch.Delete(db_->log(), SequenceKey(s));
  rocksdb::WriteOptions options;
  options.sync = true;
  return FromRocks(db_->db()->Write(options, &batch), path_);
}

absl::Status OpenedStore::Failed(const rocksdb::Status& status) {
  source_.events->failed = true;
  const absl::Status result = FromRocks(status, path_);
  Log(LogLevel::kError, "write failed", {{"error", std::string(result.message())}});
  return result;
}

Tail OpenedStore::CurrentTail() {
  MutexLock lock(&state_mu_);
  return tail_;
}

void OpenedStore::NoteDurable(const Tail& tail) {
  {
    MutexLock lock(&state_mu_);
    durable_sequence_ = std::max(durable_sequence_, tail.next_sequence - 1);
  }
  LogNote(watermark_->NoteRecord(tail.next_sequence - 1, tail.checksum));
}

void OpenedStore::NoteManifestNow() { LogNote(NoteManifest(source_.path, watermark_.get())); }

// A note that cannot be written stays lower than it could be; what it bounds is durable all the
// same, so the caller is told nothing.
void OpenedStore::LogNote(const absl::Status& status) {
  if (note_failed_.exchange(!status.ok()) || status.ok()) return;
  Log(LogLevel::kError, "watermark not written", {{"error", std::string(status.message())}});
}

uint64_t OpenedStore::ApproximateBytes(rocksdb::ColumnFamilyHandle* family,
                                       const std::string& begin, const std::string& end) {
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  const rocksdb::Range range(begin, end);
  uint64_t bytes = 0;
  if (!db_->db()->GetApproximateSizes(options, family, &range, 1, &bytes).ok()) return 0;
  return bytes;
}

OpenedStore::~OpenedStore() {
  WriterLock lock(&db_mu_);
  if (db_ != nullptr && !source_.events->failed && CheckReserve().ok()) FlushBuffers(true);
  db_.reset();
}

StoreInfo OpenedStore::Info() {
  if (source_.events->failed) TryToRecover();
  const bool read_only = !CheckReserve().ok() || source_.events->failed;
  ReaderLock db_lock(&db_mu_);
  std::optional<uint64_t> image_bytes;
  if (db_ != nullptr && source_.events->sizes_changed.exchange(false)) {
    const std::string begin(1, kImageKey);
    image_bytes = ApproximateBytes(db_->images(), begin, PrefixEnd(begin));
  }
  MutexLock lock(&state_mu_);
  if (image_bytes) image_bytes_ = *image_bytes;
  StoreInfo info;
  info.first_sequence = first_sequence_;
  info.next_sequence = tail_.next_sequence;
  info.durable_sequence = durable_sequence_;
  info.log_bytes = log_size_.bytes();
  info.image_bytes = image_bytes_;
  info.read_only = read_only;
  return info;
}

}  // namespace subset
