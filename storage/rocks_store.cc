#include "storage/rocks_store.h"

#include "storage/opened_store.h"
#include "storage/rocks_store_internal.h"

namespace subset {

absl::StatusOr<std::unique_ptr<Store>> OpenRocksStore(const RocksStoreOptions& options,
                                                      const RocksStoreSeams& seams) {
  return OpenedStore::Open(options, seams);
}

absl::StatusOr<std::unique_ptr<Store>> RocksStore::Open(const RocksStoreOptions& options) {
  return OpenRocksStore(options, RocksStoreSeams());
}

}  // namespace subset
