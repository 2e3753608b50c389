// The small file beside the database that notes what is durable, so that an open can tell a lost
// record from one that was never there. RocksDB alone cannot: it silently drops fsynced records
// from a damaged write-ahead log, in every recovery mode.

#ifndef SUBSET_STORAGE_WATERMARK_H_
#define SUBSET_STORAGE_WATERMARK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace subset {

// What was known to be on disk. Every field is a lower bound: the file itself is not fsynced, so
// after a power loss an older note may be found; after the kill of the process it is the newest.
struct DurableState {
  uint64_t sequence = 0;           // of the last durable record; 0: none
  uint64_t checksum = 0;           // chain checksum of that record
  uint64_t image_generation = 0;   // of the last durable write of images; 0: none
  uint64_t manifest_number = 0;    // RocksDB's MANIFEST file
  uint64_t manifest_bytes = 0;     // its length when it was noted
  uint64_t manifest_checksum = 0;  // XXH3-64 of that many bytes
};

// Thread-safe.
class Watermark {
 public:
  // Writes a new file that notes nothing, and fsyncs it.
  static absl::Status Create(const std::string& path);

  // Reads the newest of the two notes that is whole. Fails with kDataLoss if the file is missing or
  // neither is, kUnavailable on an I/O error.
  static absl::StatusOr<std::unique_ptr<Watermark>> Open(const std::string& path);

  ~Watermark();
  Watermark(const Watermark&) = delete;
  Watermark& operator=(const Watermark&) = delete;

  DurableState Get() const;

  // Each raises the note and writes it; no-ops if it is not higher. Cost: one write of a page in
  // memory. Fail with kUnavailable or kResourceExhausted; then the older note stands.
  absl::Status NoteRecord(uint64_t sequence, uint64_t checksum);
  absl::Status NoteImages(uint64_t generation);
  absl::Status NoteManifest(uint64_t number, uint64_t bytes, uint64_t checksum);

 private:
  Watermark(std::string path, int fd, uint64_t counter, const DurableState& state);
  absl::Status Write(const DurableState& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction.
  const std::string path_;
  const int fd_;

  mutable Mutex mu_;
  uint64_t counter_ ABSL_GUARDED_BY(mu_);  // of notes written; its parity chooses the slot
  DurableState state_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_STORAGE_WATERMARK_H_
