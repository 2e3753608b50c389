// RocksDB's status as ours.

#ifndef SUBSET_STORAGE_ROCKS_STATUS_H_
#define SUBSET_STORAGE_ROCKS_STATUS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

namespace subset {

// Returns kDataLoss: `path` is damaged, how, and what to do about it.
absl::Status Damaged(absl::string_view path, absl::string_view how);

// For reads and writes of an open database at `path`: kDataLoss for corruption,
// kResourceExhausted for a full disk, kUnavailable for any other I/O error, kInternal otherwise.
absl::Status FromRocks(const rocksdb::Status& status, absl::string_view path);

// For the opening of a database that was there before: as above, but what is missing, or does not
// fit together, is kDataLoss too.
absl::Status FromRocksOpen(const rocksdb::Status& status, absl::string_view path);

inline rocksdb::Slice ToSlice(absl::string_view s) { return rocksdb::Slice(s.data(), s.size()); }
inline absl::string_view ToView(const rocksdb::Slice& s) {
  return absl::string_view(s.data(), s.size());
}

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_STATUS_H_
