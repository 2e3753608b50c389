// How RocksDB is set up; each choice stands in the .cc with its reason.
//
// Two column families hold data, the third (`default`) has to exist and stays empty:
//   log      sequence -> record. Only ever appended to at the end, dropped at the front by files.
//   images   name -> image, and the store's own notes. Replaced piece by piece, read in order.

#ifndef SUBSET_STORAGE_ROCKS_OPTIONS_H_
#define SUBSET_STORAGE_ROCKS_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"

namespace subset {

inline constexpr char kLogFamily[] = "log";
inline constexpr char kImageFamily[] = "images";

// Tests make these small to see many files.
struct RocksSizes {
  size_t log_buffer_bytes = 64 << 20;
  size_t image_buffer_bytes = 64 << 20;
  uint64_t wal_bytes = 128 << 20;
};

// `env` must outlive the database.
rocksdb::DBOptions RocksDatabaseOptions(const RocksSizes& sizes, rocksdb::Env* env,
                                        std::shared_ptr<rocksdb::Logger> info_log,
                                        std::shared_ptr<rocksdb::EventListener> listener);
rocksdb::ColumnFamilyOptions RocksLogOptions(const RocksSizes& sizes);
rocksdb::ColumnFamilyOptions RocksImageOptions(const RocksSizes& sizes);

// For walking records or images in order: long reads, nothing kept in the block cache.
rocksdb::ReadOptions RocksScanOptions();

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_OPTIONS_H_
