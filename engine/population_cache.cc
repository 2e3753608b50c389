#include "engine/population_cache.h"

#include <utility>

#include "absl/strings/match.h"
#include "base/status_macros.h"
#include "sampling/eligible.h"

namespace subset {
namespace {

// Whether a sampler has the same population at every epoch, and one that takes work to build.
bool IsStatic(const sampling::SamplerSpec& spec) {
  if (!sampling::HasFilter(spec) && spec.proportion.within == nullptr) return false;
  if (sampling::FilterReadsScores(spec)) return false;
  for (const auto& [path, schedule] : spec.schedules) {
    if (absl::StartsWith(path, "eligible")) return false;
  }
  return true;
}

}  // namespace

absl::Status PopulationCache::Fill(const sampling::SamplerSpec& sampler,
                                   const PinnedColumns& columns, sampling::PlanInput* input) {
  if (!IsStatic(sampler)) return absl::OkStatus();
  const uint64_t seed = sampling::FilterReadsSeed(sampler) ? input->key.seed : 0;
  MutexLock lock(&mu_);
  if (!population_.has_value() || seed_ != seed || columns_ != columns) {
    population_.reset();
    SUBSET_ASSIGN_OR_RETURN(population_, sampling::BuildPopulation(*input));
    seed_ = seed;
    columns_ = columns;
  }
  input->population = population_;
  return absl::OkStatus();
}

}  // namespace subset
