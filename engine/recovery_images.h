// Recovery's reading of images, by kind. Each also finds the images nobody owns.

#ifndef SUBSET_ENGINE_RECOVERY_IMAGES_H_
#define SUBSET_ENGINE_RECOVERY_IMAGES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/catalog.h"
#include "engine/score_table.h"
#include "storage/store.h"

namespace subset {

// Chunks of score tables, read before the catalog knows their runs: a run may be in the log only.
class RecoveredScores {
 public:
  absl::Status Read(Store* store);

  // Returns the run's table, with what its images hold; null if there are none.
  std::unique_ptr<ScoreTable> Take(Uid run, uint64_t num_samples);

  // The first chunk that did not fit its run, or OK.
  const absl::Status& status() const { return status_; }

  // Prefixes of what no run took. Call last.
  std::vector<std::string> Orphans() const;

 private:
  struct Chunk {
    std::string column;
    uint64_t number = 0;
    uint64_t sequence = 0;
    std::string values;
  };
  std::map<Uid, std::vector<Chunk>> chunks_;
  absl::Status status_;
};

// Gives every column of a dataset, and of a kept epoch, its values.
absl::Status LoadColumns(Store* store, const Catalog& catalog, std::vector<std::string>* orphans);

// Gives the runs their live batches back; `names` are those of their images.
absl::Status LoadLiveBatches(Store* store, const Catalog& catalog, std::set<std::string>* names,
                             std::vector<std::string>* orphans);

// Builds or parses the plan of every kept epoch, and live draws from the scores as they are.
absl::Status LoadPlans(Store* store, const Catalog& catalog, std::vector<std::string>* orphans);

// Finds pieces of catalogs other than the current one.
absl::Status FindStalePieces(Store* store, uint64_t catalog_sequence,
                             std::vector<std::string>* orphans);

}  // namespace subset

#endif  // SUBSET_ENGINE_RECOVERY_IMAGES_H_
