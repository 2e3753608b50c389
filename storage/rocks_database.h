// One opened RocksDB and what it was found to hold.

#ifndef SUBSET_STORAGE_ROCKS_DATABASE_H_
#define SUBSET_STORAGE_ROCKS_DATABASE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/listener.h"
#include "storage/rocks_options.h"
#include "storage/watermark.h"

namespace subset {

// Keys of the image family start with one of these.
inline constexpr char kImageKey = 'i';       // + name: an image
inline constexpr char kGenerationKey = 'g';  // + big-endian generation: one write of images
inline constexpr char kTrimKey = 't';        // the oldest sequence kept

// How many of the newest generations keep their key, so that a write of images lost from the middle
// of the write-ahead log leaves a gap.
inline constexpr uint64_t kGenerationsKept = 4096;

// Hears from RocksDB's background threads. Thread-safe.
class RocksEvents final : public rocksdb::EventListener {
 public:
  RocksEvents(std::string database_path, Watermark* watermark);

  // Set when a write failed, here or by the store: the database must be reopened.
  std::atomic<bool> failed{false};
  // Set when sizes on disk have changed.
  std::atomic<bool> sizes_changed{true};

  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { Changed(); }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    Changed();
  }
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status*) override {
    failed = true;
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }

 private:
  void Changed();

  const std::string database_path_;
  Watermark* const watermark_;
};

// What the database holds; all of it was checked against the watermark.
struct RocksContents {
  uint64_t first_sequence = 1;
  uint64_t next_sequence = 1;
  uint64_t checksum = 0;  // of the last record
  uint64_t image_generation = 0;
};

// Thread-safe, as RocksDB is. No iterator may outlive it.
class RocksDatabase {
 public:
  // How to open; `path` is the database directory.
  struct Source {
    std::string path;
    rocksdb::Env* env;
    RocksSizes sizes;
    std::shared_ptr<rocksdb::Logger> info_log;
    std::shared_ptr<RocksEvents> events;
  };

  // Makes an empty database in the existing directory `source.path` and closes it.
  static absl::Status Make(const Source& source);

  // Opens the database and checks it against `durable`. With `flush_recovered` what came from the
  // write-ahead log is written to tables before the call returns. An unfinished end of the log
  // above `durable` is dropped. Fails with kDataLoss, kResourceExhausted, kUnavailable.
  static absl::StatusOr<std::unique_ptr<RocksDatabase>> Open(const Source& source,
                                                             const DurableState& durable,
                                                             bool flush_recovered);
  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;

  rocksdb::DB* db() { return db_.get(); }
  rocksdb::ColumnFamilyHandle* log() { return handles_[1]; }
  rocksdb::ColumnFamilyHandle* images() { return handles_[2]; }
  const RocksContents& contents() const { return contents_; }

  // The checksum of one record, which must be there and whole.
  absl::StatusOr<uint64_t> RecordChecksum(uint64_t sequence);

 private:
  enum class Mode { kStrict, kReadOnly, kDropUnfinishedEnd };

  RocksDatabase() = default;
  static rocksdb::Status OpenAs(const Source& source, Mode mode, bool flush_recovered,
                                std::unique_ptr<RocksDatabase>* result);
  // Fills contents_. Fails with kDataLoss, the message being only what is wrong.
  absl::Status Check(const DurableState& durable);
  absl::Status CheckLog(const DurableState& durable);
  absl::Status CheckGenerations(const DurableState& durable);
  absl::StatusOr<uint64_t> TrimBound();

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // default, log, images
  RocksContents contents_;
};

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_DATABASE_H_
