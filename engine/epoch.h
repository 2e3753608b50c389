// An epoch of a run, as its log record fixed it.

#ifndef SUBSET_ENGINE_EPOCH_H_
#define SUBSET_ENGINE_EPOCH_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "engine/dataset.h"
#include "engine/population_cache.h"
#include "sampling/plan.h"
#include "subset/log/v1/record.pb.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// One version of a sampler. Immutable.
struct SamplerVersion {
  v1::Sampler proto;
  sampling::SamplerSpec spec;
  // What epochs before proto.from_epoch() or from_step() open with; null where both are 0.
  std::shared_ptr<const SamplerVersion> before;
  mutable PopulationCache populations;

  bool live() const { return spec.live(); }
  // Of a live epoch: global batches that are drawn from the scores of one moment.
  uint64_t steps_together() const { return std::max<uint64_t>(1, spec.snapshot_every); }
  // Whether its epochs wait for the feedback of the one before. Live draws always use the newest
  // scores, so nothing is fixed that waiting would make better.
  bool waits_for_feedback() const { return spec.score_driven() && !live(); }
  // The reported column that its preference reads; else another that it reads; else "loss".
  std::string MainScore() const;
};

// Returns the version that an epoch of a run opens with: the newest that begins there or before.
// `newest` is the sampler's newest, `first_step` that of the epoch, counted over the run.
std::shared_ptr<const SamplerVersion> VersionFor(std::shared_ptr<const SamplerVersion> newest,
                                                 uint64_t epoch, uint64_t first_step);

// Returns what stays in force before a new version that begins at that epoch or step, one of which
// is 0; null where both are. Versions that would only begin after it are left out.
std::shared_ptr<const SamplerVersion> VersionBefore(std::shared_ptr<const SamplerVersion> newest,
                                                    uint64_t from_epoch, uint64_t from_step);

// Immutable once draws can see it.
struct Epoch {
  log::v1::EpochOpened opened;
  int64_t open_time_micros = 0;
  std::shared_ptr<const SamplerVersion> sampler;
  PinnedColumns columns;  // of the dataset, that its plan reads
  // What its batches come from; null while the log is replayed, and for a live epoch.
  std::shared_ptr<const sampling::EpochPlan> plan;
  sampling::PlanTraits live_traits;  // of a live epoch, when it opened

  uint64_t number() const { return opened.epoch(); }
  bool live() const { return sampler->live(); }
  uint64_t num_positions() const { return opened.num_positions(); }
};

// Global batches of an epoch: the short one at its end counts unless it is dropped.
uint64_t NumSteps(uint64_t num_positions, const v1::Run& run);

// Positions that must be acknowledged before the epoch's feedback is complete.
uint64_t NumPositionsToReport(uint64_t num_positions, const v1::Run& run);

// Returns what a plan of the run is built from, but for the scores: `opened` holds the epoch's
// number and its first step. Builds the strata if need be. The result reads `columns`.
absl::StatusOr<sampling::PlanInput> MakePlanInput(const v1::Run& run,
                                                  const log::v1::EpochOpened& opened,
                                                  const SamplerVersion& sampler,
                                                  const PinnedColumns& columns);

}  // namespace subset

#endif  // SUBSET_ENGINE_EPOCH_H_
