// Where RocksDB's own messages go: warnings and worse to base/log.h, the rest nowhere.
//
// RocksDB's default logger writes a file next to the data and ends the process when the disk is
// full (measured); this one never touches the disk.

#ifndef SUBSET_STORAGE_ROCKS_INFO_LOG_H_
#define SUBSET_STORAGE_ROCKS_INFO_LOG_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "base/log.h"
#include "rocksdb/env.h"

namespace subset {

using RocksLogSink = absl::AnyInvocable<void(LogLevel level, absl::string_view message)>;

// Returns a thread-safe logger that passes on at most 20 messages a minute; the next one after a
// pause says how many were left out. `sink` is called under a lock; null: base/log.h.
std::shared_ptr<rocksdb::Logger> NewRocksInfoLog(RocksLogSink sink = nullptr);

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_INFO_LOG_H_
