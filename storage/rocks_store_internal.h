// What tests put in place of the machine; everyone else opens through rocks_store.h.

#ifndef SUBSET_STORAGE_ROCKS_STORE_INTERNAL_H_
#define SUBSET_STORAGE_ROCKS_STORE_INTERNAL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rocksdb/env.h"
#include "storage/data_directory.h"
#include "storage/rocks_options.h"
#include "storage/rocks_store.h"

namespace subset {

struct RocksStoreSeams {
  rocksdb::Env* env = rocksdb::Env::Default();  // not owned
  std::function<absl::StatusOr<uint64_t>(const std::string& path)> free_disk_bytes = FreeDiskBytes;
  RocksSizes sizes;
};

absl::StatusOr<std::unique_ptr<Store>> OpenRocksStore(const RocksStoreOptions& options,
                                                      const RocksStoreSeams& seams);

}  // namespace subset

#endif  // SUBSET_STORAGE_ROCKS_STORE_INTERNAL_H_
