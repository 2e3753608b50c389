// Opening: read the images, replay the log after them, rebuild what is not stored.

#ifndef SUBSET_ENGINE_RECOVERY_H_
#define SUBSET_ENGINE_RECOVERY_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "engine/catalog.h"
#include "storage/store.h"

namespace subset {

struct Recovered {
  uint64_t catalog_sequence = 0;  // of the catalog's image; 0: there is none
  uint64_t records = 0;           // replayed
  std::set<std::string> live_images;
};

// Restores `catalog`, which is empty, from `store`, with everything draws need, and deletes images
// without an owner. Fails with kDataLoss, naming the image or record, or with kFailedPrecondition
// where a newer version wrote it. O(bytes of images and of the log after them).
absl::StatusOr<Recovered> Recover(Store* store, Catalog* catalog);

}  // namespace subset

#endif  // SUBSET_ENGINE_RECOVERY_H_
