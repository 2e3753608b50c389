// What is kept on disk: an ordered log of opaque records, and named images.
//
// A record is one change; an image is a folded piece of the state that records made. The store
// knows nothing of what either means. Opening state = read the images, then replay the log after
// them.

#ifndef SUBSET_STORAGE_STORE_H_
#define SUBSET_STORAGE_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace subset {

// An image to write.
struct Image {
  std::string name;  // bytes; compared bytewise; "/" separates parts by convention
  absl::string_view bytes;
};

// What the store holds now.
struct StoreInfo {
  uint64_t first_sequence = 0;    // of the oldest record kept; next_sequence if none ever was
  uint64_t next_sequence = 0;     // the next Append starts here; the first ever is 1
  uint64_t durable_sequence = 0;  // every record up to here is on disk
  uint64_t log_bytes = 0;         // of the records kept (approximate)
  uint64_t image_bytes = 0;       // of the images kept (approximate)
  bool read_only = false;         // the reserve of free disk space is touched, or a write failed
};

// Thread rule: one thread at a time calls Append and Trim (the writer); the rest is thread-safe.
// What is passed to `visit` below must not call the store.
class Store {
 public:
  virtual ~Store() = default;

  // Appends `records` as one group, all or none, and returns the sequence of the first; the others
  // follow without a gap. With `sync` they, and everything before them, are on disk at return (an
  // empty group only does that).
  // After a failure nothing is appended: the next Append gets the same sequence.
  // Fails with kResourceExhausted (disk reserve touched), kUnavailable (an I/O error; a retry may
  // help, the store has reopened its database), kDataLoss.
  virtual absl::StatusOr<uint64_t> Append(absl::Span<const absl::string_view> records,
                                          bool sync) = 0;

  // Calls `visit` for every record from `sequence` on, in order; stops at its first error and
  // returns it. Fails with kDataLoss on a hole, a broken checksum chain, or if `sequence` is older
  // than the first record kept.
  virtual absl::Status Replay(
      uint64_t sequence,
      absl::FunctionRef<absl::Status(uint64_t sequence, absl::string_view record)> visit) = 0;

  // Drops records below `sequence`, except the last record of the log. Cheap: the space of whole
  // files returns, the rest later. Fails as Append.
  virtual absl::Status Trim(uint64_t sequence) = 0;

  // Writes `images` (replacing those of the same name) and deletes every image whose name starts
  // with one of `delete_prefixes`, atomically; deletes come first. At most 32 MiB in one call.
  // With `sync` they, and everything before them, are on disk at return. Fails as Append, and with
  // kInvalidArgument above 32 MiB; after an I/O error all of it may turn out to be written, or
  // none.
  virtual absl::Status WriteImages(absl::Span<const Image> images,
                                   absl::Span<const std::string> delete_prefixes, bool sync) = 0;

  // Calls `visit` for every image whose name starts with `prefix`, in order of names; stops at its
  // first error and returns it. Fails with kDataLoss where a checksum is wrong, naming the image.
  virtual absl::Status ReadImages(
      absl::string_view prefix,
      absl::FunctionRef<absl::Status(absl::string_view name, absl::string_view bytes)> visit) = 0;

  virtual StoreInfo Info() = 0;
};

}  // namespace subset

#endif  // SUBSET_STORAGE_STORE_H_
