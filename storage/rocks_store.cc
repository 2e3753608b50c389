#include "storage/rocks_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/status_macros.h"
#include "rocksdb/convenience.h"
#include "rocksdb/write_batch.h"
#include "storage/data_directory.h"
#include "storage/log_size.h"
#include "storage/manifest_note.h"
#include "storage/record_frame.h"
#include "storage/rocks_database.h"
#include "storage/rocks_info_log.h"
#include "storage/rocks_status.h"
#include "storage/rocks_store_internal.h"
#include "storage/watermark.h"

namespace subset {
namespace {

constexpr uint64_t kMaxImageWriteBytes = 32 << 20;
constexpr int64_t kRecoveryPauseMs = 1000;
constexpr uint64_t kWorthFlushingBytes = 8 << 20;

std::string ImageKey(absl::string_view name) {
  return absl::StrCat(std::string(1, kImageKey), name);
}

// The smallest key above all that start with `prefix`, which starts with kImageKey.
std::string PrefixEnd(std::string prefix) {
  while (static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::string LittleEndian(uint64_t value) {
  std::string bytes(8, '\0');
  StoreLittleEndian64(value, bytes.data());
  return bytes;
}

// The end of the log.
struct Tail {
  uint64_t next_sequence = 1;
  uint64_t checksum = 0;  // of the last record
};

// Locks are taken in the order db_mu_, images_mu_, state_mu_.
class OpenedStore final : public Store {
 public:
  static absl::StatusOr<std::unique_ptr<Store>> Open(const RocksStoreOptions& options,
                                                     const RocksStoreSeams& seams);
  ~OpenedStore() override;

  absl::StatusOr<uint64_t> Append(absl::Span<const absl::string_view> records, bool sync) override;
  absl::Status Replay(
      uint64_t sequence,
      absl::FunctionRef<absl::Status(uint64_t sequence, absl::string_view record)> visit) override;
  absl::Status Trim(uint64_t sequence) override;
  absl::Status WriteImages(absl::Span<const Image> images,
                           absl::Span<const std::string> delete_prefixes, bool sync) override;
  absl::Status ReadImages(
      absl::string_view prefix,
      absl::FunctionRef<absl::Status(absl::string_view name, absl::string_view bytes)> visit)
      override;
  StoreInfo Info() override;

 private:
  OpenedStore(const RocksStoreOptions& options, const RocksStoreSeams& seams,
              std::unique_ptr<DataDirectory> directory, std::unique_ptr<Watermark> watermark);

  // Opens the database for the first time, and takes over what it holds.
  absl::Status Start();
  // OK if a write may be tried: the reserve is untouched and the database open, reopened if need
  // be.
  absl::Status ReadyToWrite() ABSL_LOCKS_EXCLUDED(db_mu_);
  absl::Status CheckReserve();
  // ReadyToWrite for one that has failed, once a second at most.
  void TryToRecover();
  // Closes the database, opens it again, and takes away what failed writes left behind.
  absl::Status Reopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  absl::Status DropRecordsFrom(uint64_t sequence, uint64_t end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(db_mu_);
  // Marks the database as failed; returns `status` as ours.
  absl::Status Failed(const rocksdb::Status& status);
  absl::Status NotOpen() const {
    return absl::UnavailableError(path_ + ": not open after a failed write");
  }
  // Everything up to `tail` is on disk.
  void NoteDurable(const Tail& tail) ABSL_LOCKS_EXCLUDED(state_mu_);
  void NoteManifestNow();
  void FlushBuffers(bool wait) ABSL_SHARED_LOCKS_REQUIRED(db_mu_);
  void LogNote(const absl::Status& status);
  Tail CurrentTail() ABSL_LOCKS_EXCLUDED(state_mu_);
  uint64_t ApproximateBytes(rocksdb::ColumnFamilyHandle* family, const std::string& begin,
                            const std::string& end) ABSL_SHARED_LOCKS_REQUIRED(db_mu_);

  // Constant after construction.
  const std::string path_;
  const uint64_t reserve_bytes_;
  const std::function<absl::StatusOr<uint64_t>(const std::string& path)> free_disk_bytes_;
  const std::unique_ptr<DataDirectory> directory_;
  const std::unique_ptr<Watermark> watermark_;
  const RocksDatabase::Source source_;

  std::atomic<bool> reserve_touched_{false};   // only for saying so once
  std::atomic<bool> note_failed_{false};       // as above
  std::atomic<int64_t> last_recovery_ms_{-1};  // monotonic; when Info last tried

  // Shared by every use of the database, exclusive to reopen it.
  FairSharedMutex db_mu_;
  std::unique_ptr<RocksDatabase> db_ ABSL_GUARDED_BY(db_mu_);  // null while it cannot be reopened
  absl::Status lost_ ABSL_GUARDED_BY(db_mu_);  // once records are lost, no write is right any more

  // Makes writes of images one after the other, as their generations are.
  Mutex images_mu_;
  uint64_t image_generation_ ABSL_GUARDED_BY(images_mu_) = 0;

  Mutex state_mu_;
  Tail tail_ ABSL_GUARDED_BY(state_mu_);
  uint64_t first_sequence_ ABSL_GUARDED_BY(state_mu_) = 1;
  uint64_t durable_sequence_ ABSL_GUARDED_BY(state_mu_) = 0;
  LogSize log_size_ ABSL_GUARDED_BY(state_mu_);
  uint64_t image_bytes_ ABSL_GUARDED_BY(state_mu_) = 0;
};

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

absl::StatusOr<uint64_t> OpenedStore::Append(absl::Span<const absl::string_view> records,
                                             bool sync) {
  SUBSET_RETURN_IF_ERROR(ReadyToWrite());
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  const Tail before = CurrentTail();
  Tail after = before;
  uint64_t bytes = 0;
  for (const absl::string_view record : records) bytes += record.size() + 64;
  rocksdb::WriteBatch batch(bytes);
  for (const absl::string_view record : records) {
    const uint64_t checksum = ChainChecksum(after.checksum, record);
    const auto header = RecordHeader(after.checksum, checksum);
    const std::string key = SequenceKey(after.next_sequence);
    const rocksdb::Slice key_part(key);
    const std::array<rocksdb::Slice, 2> value_parts = {rocksdb::Slice(header.data(), header.size()),
                                                       ToSlice(record)};
    const rocksdb::Status put =
        batch.Put(db_->log(), rocksdb::SliceParts(&key_part, 1),
                  rocksdb::SliceParts(value_parts.data(), value_parts.size()));
    if (!put.ok()) return absl::InvalidArgumentError(put.ToString());  // 4 GiB: nothing written
    after = {after.next_sequence + 1, checksum};
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  rocksdb::Status status;
  if (!records.empty()) {
    status = db_->db()->Write(options, &batch);
  } else if (sync) {
    status = db_->db()->SyncWAL();
  }
  if (!status.ok()) return Failed(status);
  {
    MutexLock lock(&state_mu_);
    tail_ = after;
    log_size_.Add(after.next_sequence, batch.GetDataSize());
  }
  if (sync) NoteDurable(after);
  return before.next_sequence;
}

absl::Status OpenedStore::Replay(
    uint64_t sequence,
    absl::FunctionRef<absl::Status(uint64_t sequence, absl::string_view record)> visit) {
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  uint64_t first;
  uint64_t next;
  {
    MutexLock lock(&state_mu_);
    first = first_sequence_;
    next = tail_.next_sequence;
  }
  if (sequence < first) {
    return Damaged(path_, absl::StrCat("record ", sequence, " is needed, but the log starts at ",
                                       "record ", first));
  }
  if (sequence > next) {
    return Damaged(path_, absl::StrCat("record ", sequence - 1, " is needed, but the log ends at ",
                                       "record ", next - 1));
  }
  std::unique_ptr<rocksdb::Iterator> it(db_->db()->NewIterator(RocksScanOptions(), db_->log()));
  std::optional<uint64_t> previous;
  it->Seek(SequenceKey(sequence));
  for (; sequence < next; ++sequence, it->Next()) {
    if (!it->Valid() || ToView(it->key()) != SequenceKey(sequence)) {
      if (!it->status().ok()) return FromRocks(it->status(), path_);
      return Damaged(path_, absl::StrCat("record ", sequence, " is missing"));
    }
    absl::StatusOr<RecordFrame> frame = ParseRecord(ToView(it->value()));
    if (!frame.ok()) {
      return Damaged(path_, absl::StrCat("record ", sequence, ": ", frame.status().message()));
    }
    if (previous && frame->previous != *previous) {
      return Damaged(path_, absl::StrCat("record ", sequence, " does not follow the one before"));
    }
    previous = frame->checksum;
    SUBSET_RETURN_IF_ERROR(visit(sequence, frame->body));
  }
  return absl::OkStatus();
}

absl::Status OpenedStore::Trim(uint64_t sequence) {
  // Writes little, and gives space back: allowed however full the disk is.
  if (source_.events->failed) SUBSET_RETURN_IF_ERROR(ReadyToWrite());
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  {
    MutexLock lock(&state_mu_);
    // The last record stays: the next one is chained to it.
    sequence = std::min(sequence, tail_.next_sequence - 1);
    if (sequence <= first_sequence_) return absl::OkStatus();
  }
  // First the bound, then the files: RocksDB drops them in no particular order.
  rocksdb::WriteOptions options;
  options.sync = true;
  rocksdb::Status status =
      db_->db()->Put(options, db_->images(), std::string(1, kTrimKey), LittleEndian(sequence));
  if (!status.ok()) return Failed(status);
  {
    MutexLock lock(&state_mu_);
    first_sequence_ = sequence;
    log_size_.Drop(sequence);
  }
  const std::string begin = SequenceKey(0);
  const std::string end = SequenceKey(sequence);
  const rocksdb::Slice begin_slice(begin);
  const rocksdb::Slice end_slice(end);
  status = rocksdb::DeleteFilesInRange(db_->db(), db_->log(), &begin_slice, &end_slice,
                                       /*include_end=*/false);
  if (!status.ok()) return Failed(status);
  NoteManifestNow();
  FlushBuffers(/*wait=*/false);
  return absl::OkStatus();
}

// Writes the buffers to tables if they are worth it. What was trimmed or folded would otherwise
// stay in the write-ahead log, and the next open would read it for nothing. The bytes are those
// that a full buffer would have written later.
void OpenedStore::FlushBuffers(bool wait) {
  uint64_t bytes = 0;
  db_->db()->GetAggregatedIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &bytes);
  if (bytes < kWorthFlushingBytes) return;
  rocksdb::FlushOptions options;
  options.wait = wait;
  options.allow_write_stall = true;  // else this call would wait until there is none
  const rocksdb::Status status = db_->db()->Flush(options, {db_->log(), db_->images()});
  if (!status.ok()) Failed(status).IgnoreError();  // the next write reopens
}

OpenedStore::~OpenedStore() {
  WriterLock lock(&db_mu_);
  if (db_ != nullptr && !source_.events->failed && CheckReserve().ok()) FlushBuffers(true);
  db_.reset();
}

absl::Status OpenedStore::WriteImages(absl::Span<const Image> images,
                                      absl::Span<const std::string> delete_prefixes, bool sync) {
  uint64_t bytes = 0;
  for (const Image& image : images) bytes += image.name.size() + image.bytes.size();
  if (bytes > kMaxImageWriteBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "images of ", bytes, " bytes in one call are more than ", kMaxImageWriteBytes));
  }
  SUBSET_RETURN_IF_ERROR(ReadyToWrite());
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  rocksdb::WriteBatch batch(bytes + 256 * (images.size() + delete_prefixes.size() + 1));
  rocksdb::Status status;
  for (const std::string& prefix : delete_prefixes) {
    const std::string begin = ImageKey(prefix);
    status = batch.DeleteRange(db_->images(), begin, PrefixEnd(begin));
    if (!status.ok()) return absl::InternalError(status.ToString());
  }
  for (const Image& image : images) {
    const std::string key = ImageKey(image.name);
    const rocksdb::Slice key_part(key);
    const auto header = ImageHeader(image.name, image.bytes);
    const std::array<rocksdb::Slice, 2> value_parts = {rocksdb::Slice(header.data(), header.size()),
                                                       ToSlice(image.bytes)};
    status = batch.Put(db_->images(), rocksdb::SliceParts(&key_part, 1),
                       rocksdb::SliceParts(value_parts.data(), value_parts.size()));
    if (!status.ok()) return absl::InternalError(status.ToString());
  }
  MutexLock images_lock(&images_mu_);
  const Tail tail = CurrentTail();
  const uint64_t generation = image_generation_ + 1;
  const std::string generation_prefix(1, kGenerationKey);
  batch.Put(db_->images(), generation_prefix + SequenceKey(generation),
            LittleEndian(tail.next_sequence));
  if (generation > kGenerationsKept) {
    batch.Delete(db_->images(), generation_prefix + SequenceKey(generation - kGenerationsKept));
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  status = db_->db()->Write(options, &batch);
  if (!status.ok()) return Failed(status);
  image_generation_ = generation;
  source_.events->sizes_changed = true;
  if (sync) {
    NoteDurable(tail);
    LogNote(watermark_->NoteImages(generation));
  }
  return absl::OkStatus();
}

absl::Status OpenedStore::ReadImages(
    absl::string_view prefix,
    absl::FunctionRef<absl::Status(absl::string_view name, absl::string_view bytes)> visit) {
  ReaderLock db_lock(&db_mu_);
  if (db_ == nullptr) return NotOpen();
  const std::string begin = ImageKey(prefix);
  const std::string end = PrefixEnd(begin);
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options = RocksScanOptions();
  options.iterate_upper_bound = &end_slice;
  std::unique_ptr<rocksdb::Iterator> it(db_->db()->NewIterator(options, db_->images()));
  for (it->Seek(begin); it->Valid(); it->Next()) {
    const absl::string_view name = ToView(it->key()).substr(1);
    absl::StatusOr<absl::string_view> bytes = ParseImage(name, ToView(it->value()));
    if (!bytes.ok()) {
      return Damaged(path_, absl::StrCat("image ", name, ": ", bytes.status().message()));
    }
    SUBSET_RETURN_IF_ERROR(visit(name, *bytes));
  }
  return FromRocks(it->status(), path_);
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

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenRocksStore(const RocksStoreOptions& options,
                                                      const RocksStoreSeams& seams) {
  return OpenedStore::Open(options, seams);
}

absl::StatusOr<std::unique_ptr<Store>> RocksStore::Open(const RocksStoreOptions& options) {
  return OpenRocksStore(options, RocksStoreSeams());
}

}  // namespace subset
