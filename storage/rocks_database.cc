#include "storage/rocks_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "storage/data_directory.h"
#include "storage/manifest_note.h"
#include "storage/record_frame.h"
#include "storage/rocks_status.h"

namespace subset {
namespace {

std::vector<rocksdb::ColumnFamilyDescriptor> Families(const RocksSizes& sizes) {
  return {{rocksdb::kDefaultColumnFamilyName, rocksdb::ColumnFamilyOptions()},
          {kLogFamily, RocksLogOptions(sizes)},
          {kImageFamily, RocksImageOptions(sizes)}};
}

// Makes what an earlier process wrote but did not fsync durable. RocksDB never fsyncs a write-ahead
// log that it found, so records in it would be less durable than those appended after them.
absl::Status SyncFoundLogs(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() != ".log") continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FileError("open", entry.path().string(), errno);
    const int result = fdatasync(fd);
    const int error_number = errno;
    close(fd);
    if (result != 0) return FileError("fdatasync", entry.path().string(), error_number);
  }
  if (error) return FileError("list", path, error.value());
  return absl::OkStatus();
}

absl::Status Wrong(const rocksdb::Status& status) {
  return status.IsCorruption() ? absl::DataLossError(status.ToString()) : FromRocks(status, "read");
}

}  // namespace

RocksEvents::RocksEvents(std::string database_path, Watermark* watermark)
    : database_path_(std::move(database_path)), watermark_(watermark) {}

void RocksEvents::Changed() {
  sizes_changed = true;
  // The note is a lower bound: where this fails, the next one catches up.
  const absl::Status status = NoteManifest(database_path_, watermark_);
  if (!status.ok()) {
    Log(LogLevel::kWarning, "manifest not noted", {{"error", std::string(status.message())}});
  }
}

absl::Status RocksDatabase::Make(const Source& source) {
  rocksdb::DBOptions options =
      RocksDatabaseOptions(source.sizes, source.env, source.info_log, nullptr);
  options.listeners.clear();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  RocksDatabase made;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(options, source.path, Families(source.sizes), &made.handles_, &db);
  made.db_.reset(db);
  return FromRocks(status, source.path);
}

rocksdb::Status RocksDatabase::OpenAs(const Source& source, Mode mode, bool flush_recovered,
                                      std::unique_ptr<RocksDatabase>* result) {
  rocksdb::DBOptions options =
      RocksDatabaseOptions(source.sizes, source.env, source.info_log, source.events);
  // Strict: a damaged end is an error, which tells an unfinished record from a whole log.
  options.wal_recovery_mode = mode == Mode::kStrict
                                  ? rocksdb::WALRecoveryMode::kAbsoluteConsistency
                                  : rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.avoid_flush_during_recovery = mode != Mode::kDropUnfinishedEnd && !flush_recovered;
  std::unique_ptr<RocksDatabase> opened(new RocksDatabase);
  rocksdb::DB* db = nullptr;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = Families(source.sizes);
  const rocksdb::Status status =
      mode == Mode::kReadOnly
          ? rocksdb::DB::OpenForReadOnly(options, source.path, families, &opened->handles_, &db)
          : rocksdb::DB::Open(options, source.path, families, &opened->handles_, &db);
  opened->db_.reset(db);
  if (status.ok()) *result = std::move(opened);
  return status;
}

absl::StatusOr<std::unique_ptr<RocksDatabase>> RocksDatabase::Open(const Source& source,
                                                                   const DurableState& durable,
                                                                   bool flush_recovered) {
  // Names the directory in what Check and CheckManifest find wrong.
  const auto named = [&source](const absl::Status& status) {
    return absl::IsDataLoss(status) ? Damaged(source.path, status.message()) : status;
  };
  SUBSET_RETURN_IF_ERROR(named(CheckManifest(source.path, durable)));
  SUBSET_RETURN_IF_ERROR(SyncFoundLogs(source.path));

  std::unique_ptr<RocksDatabase> database;
  rocksdb::Status status = OpenAs(source, Mode::kStrict, flush_recovered, &database);
  if (status.IsCorruption()) {
    // Perhaps only the unfinished end of a record that nobody was promised: look, change nothing.
    std::unique_ptr<RocksDatabase> probe;
    if (!OpenAs(source, Mode::kReadOnly, false, &probe).ok()) {
      return FromRocksOpen(status, source.path);
    }
    if (absl::Status checked = probe->Check(durable); !checked.ok()) {
      return absl::IsDataLoss(checked)
                 ? Damaged(source.path, absl::StrCat(status.ToString(), "; without what follows, ",
                                                     checked.message()))
                 : checked;
    }
    probe.reset();
    Log(LogLevel::kWarning, "dropping the unfinished end of the log",
        {{"path", source.path}, {"reason", status.ToString()}});
    status = OpenAs(source, Mode::kDropUnfinishedEnd, true, &database);
  }
  if (!status.ok()) return FromRocksOpen(status, source.path);
  SUBSET_RETURN_IF_ERROR(named(database->Check(durable)));
  return database;
}

RocksDatabase::~RocksDatabase() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
  db_->Close();
}

absl::StatusOr<uint64_t> RocksDatabase::RecordChecksum(uint64_t sequence) {
  std::string value;
  const rocksdb::Status status = db_->Get(RocksScanOptions(), log(), SequenceKey(sequence), &value);
  if (status.IsNotFound()) {
    return absl::DataLossError(absl::StrCat("record ", sequence, " is missing"));
  }
  if (!status.ok()) return Wrong(status);
  absl::StatusOr<RecordFrame> frame = ParseRecord(value);
  if (!frame.ok()) {
    return absl::DataLossError(absl::StrCat("record ", sequence, ": ", frame.status().message()));
  }
  return frame->checksum;
}

absl::Status RocksDatabase::Check(const DurableState& durable) {
  SUBSET_RETURN_IF_ERROR(CheckLog(durable));
  return CheckGenerations(durable);
}

absl::StatusOr<uint64_t> RocksDatabase::TrimBound() {
  std::string value;
  const rocksdb::Status status =
      db_->Get(RocksScanOptions(), images(), std::string(1, kTrimKey), &value);
  if (status.IsNotFound()) return 1;
  if (!status.ok()) return Wrong(status);
  if (value.size() != 8) return absl::DataLossError("the note of the oldest record is malformed");
  return LoadLittleEndian64(value.data());
}

absl::Status RocksDatabase::CheckLog(const DurableState& durable) {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t first, TrimBound());
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(RocksScanOptions(), log()));
  it->SeekToLast();
  if (!it->status().ok()) return Wrong(it->status());
  uint64_t last = 0;
  if (it->Valid()) {
    const std::optional<uint64_t> sequence = ParseSequenceKey(ToView(it->key()));
    if (!sequence) return absl::DataLossError("the log has a malformed key");
    last = *sequence;
  }
  if (last < durable.sequence) {
    return absl::DataLossError(absl::StrCat("record ", durable.sequence,
                                            " was durable, but the log ends at record ", last));
  }
  contents_.first_sequence = first;
  contents_.next_sequence = last + 1;
  if (last == 0) {
    if (first != 1) return absl::DataLossError(absl::StrCat("record ", first, " is missing"));
    return absl::OkStatus();
  }
  SUBSET_RETURN_IF_ERROR(RecordChecksum(first).status());

  // From the last record that was promised on; whoever replays the log checks the rest.
  uint64_t expected = std::max(first, durable.sequence);
  std::optional<uint64_t> previous;
  for (it->Seek(SequenceKey(expected)); it->Valid(); it->Next(), ++expected) {
    if (ToView(it->key()) != SequenceKey(expected)) break;
    absl::StatusOr<RecordFrame> frame = ParseRecord(ToView(it->value()));
    if (!frame.ok() || (previous && frame->previous != *previous)) {
      return absl::DataLossError(absl::StrCat(
          "record ", expected, ": ",
          frame.ok() ? "it does not follow the one before" : frame.status().message()));
    }
    if (expected == durable.sequence && frame->checksum != durable.checksum) {
      return absl::DataLossError(
          absl::StrCat("record ", expected, " is not the one that was written"));
    }
    previous = frame->checksum;
  }
  if (!it->status().ok()) return Wrong(it->status());
  if (expected != last + 1) {
    return absl::DataLossError(absl::StrCat("record ", expected, " is missing"));
  }
  contents_.checksum = *previous;
  return absl::OkStatus();
}

absl::Status RocksDatabase::CheckGenerations(const DurableState& durable) {
  rocksdb::ReadOptions options = RocksScanOptions();
  const std::string begin(1, kGenerationKey);
  const std::string end(1, kGenerationKey + 1);
  const rocksdb::Slice end_slice(end);
  options.iterate_upper_bound = &end_slice;
  options.readahead_size = 0;  // the keys are few and small, the images beside them are not
  std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, images()));
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t log_end = 0;  // next_sequence when the images were written
  for (it->Seek(begin); it->Valid(); it->Next()) {
    const std::optional<uint64_t> generation = ParseSequenceKey(ToView(it->key()).substr(1));
    if (!generation || it->value().size() != 8) {
      return absl::DataLossError("the images have a malformed generation");
    }
    if (last != 0 && *generation != last + 1) {
      return absl::DataLossError(absl::StrCat("write ", last + 1, " of images is missing"));
    }
    if (first == 0) first = *generation;
    last = *generation;
    log_end = LoadLittleEndian64(it->value().data());
  }
  if (!it->status().ok()) return Wrong(it->status());
  if (last < durable.image_generation) {
    return absl::DataLossError(absl::StrCat("write ", durable.image_generation,
                                            " of images was durable, but the last found is ",
                                            last));
  }
  const uint64_t oldest = last < kGenerationsKept ? 1 : last - kGenerationsKept + 1;
  if (last != 0 && first != oldest) {
    return absl::DataLossError(absl::StrCat("write ", oldest, " of images is missing"));
  }
  if (log_end > contents_.next_sequence) {
    return absl::DataLossError(absl::StrCat("images include record ", log_end - 1,
                                            ", but the log ends at record ",
                                            contents_.next_sequence - 1));
  }
  contents_.image_generation = last;
  return absl::OkStatus();
}

}  // namespace subset
