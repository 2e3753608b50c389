// The store that RocksStore::Open returns. Opening, failing and recovering are in opened_store.cc,
// the log in opened_store_log.cc, images in opened_store_images.cc.

#ifndef SUBSET_STORAGE_OPENED_STORE_H_
#define SUBSET_STORAGE_OPENED_STORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/mutex.h"
#include "rocksdb/db.h"
#include "storage/data_directory.h"
#include "storage/log_size.h"
#include "storage/rocks_database.h"
#include "storage/rocks_store.h"
#include "storage/rocks_store_internal.h"
#include "storage/store.h"
#include "storage/watermark.h"

namespace subset {

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

// The key of the image `name`; of `prefix`, where those start whose names start with it.
std::string ImageKey(absl::string_view name);

// The smallest key above all that start with `prefix`, which is not empty nor all 0xff.
std::string PrefixEnd(std::string prefix);

}  // namespace subset

#endif  // SUBSET_STORAGE_OPENED_STORE_H_
