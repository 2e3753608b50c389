// The store on RocksDB. docs/storage_format.md has the bytes.
//
// A data directory is opened by one process at a time. Opening checks what was acknowledged against
// what is there: records that were durable and are missing, out of order or changed are kDataLoss,
// and the directory is left as it was found. A record that was never acknowledged may be there or
// not; the unfinished end of one is dropped.

#ifndef SUBSET_STORAGE_ROCKS_STORE_H_
#define SUBSET_STORAGE_ROCKS_STORE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/store.h"

namespace subset {

struct RocksStoreOptions {
  std::string path;  // the data directory; made if missing, its parent must exist
  bool create_if_missing = true;
  // The store turns read-only before less than this is free on its file system: what is kept back
  // lets RocksDB finish its background work.
  uint64_t reserve_bytes = 512ull << 20;
};

class RocksStore {
 public:
  RocksStore() = delete;

  // Opens or makes the store. Replays RocksDB's own write-ahead log (at most about 128 MiB).
  // Fails with:
  //   kNotFound            nothing is there and create_if_missing is false
  //   kFailedPrecondition  in use by another process, or written by a newer format
  //   kDataLoss            damaged; the message names path, what is wrong and what to do
  //   kResourceExhausted   the disk is full
  //   kUnavailable, kPermissionDenied   an I/O error
  static absl::StatusOr<std::unique_ptr<Store>> Open(const RocksStoreOptions& options);
};

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_STORE_H_
