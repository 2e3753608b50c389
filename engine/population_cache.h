// The population of a sampler whose filter reads no score: built once, not for every epoch.

#ifndef SUBSET_ENGINE_POPULATION_CACHE_H_
#define SUBSET_ENGINE_POPULATION_CACHE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "engine/dataset.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset {

// Thread-safe. Keeps the one that was asked for last: of the columns that its samples' runs read
// now. At most 4 bytes and a bit a sample.
class PopulationCache {
 public:
  // Sets input->population where it is costly and does not change from epoch to epoch; `columns`
  // are what the input reads. Fails as BuildPopulation.
  absl::Status Fill(const sampling::SamplerSpec& sampler, const PinnedColumns& columns,
                    sampling::PlanInput* input);

 private:
  Mutex mu_;
  PinnedColumns columns_ ABSL_GUARDED_BY(mu_);
  uint64_t seed_ ABSL_GUARDED_BY(mu_) = 0;  // of the run, where the filter reads it
  std::optional<sampling::Population> population_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_ENGINE_POPULATION_CACHE_H_
