#include <algorithm>
#include <array>
#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/convenience.h"
#include "rocksdb/write_batch.h"
#include "storage/opened_store.h"
#include "storage/record_frame.h"
#include "storage/rocks_status.h"

namespace subset {
namespace {

constexpr uint64_t kWorthFlushingBytes = 8 << 20;

}  // namespace

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
      db_->db()->Put(options, db_->images(), std::string(1, kTrimKey), LittleEndian64(sequence));
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

}  // namespace subset
