#include "server/version.h"

namespace subset {

const char kVersion[] = SUBSET_VERSION;
const char kRevision[] = SUBSET_REVISION;
const char kRocksdbVersion[] = SUBSET_ROCKSDB_VERSION;
const char kSanitizer[] = SUBSET_SANITIZE;

}  // namespace subset
