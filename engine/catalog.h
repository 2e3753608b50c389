// The state: datasets, samplers and runs, as the fold of the log's records.
//
// Folding reads nothing but the state and the record: no clock, flag or random number. What depends
// on the state (is the name taken, was this message seen) is decided here, once when the record is
// new and again, with the same result, when it is replayed.

#ifndef SUBSET_ENGINE_CATALOG_H_
#define SUBSET_ENGINE_CATALOG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "base/types.h"
#include "engine/dataset.h"
#include "engine/epoch.h"
#include "engine/run.h"
#include "subset/log/v1/image.pb.h"
#include "subset/log/v1/record.pb.h"

namespace subset {

// What a caller built in memory and a record refers to. Replay has none of it: recovery reads the
// same from images afterwards.
struct Attachments {
  std::map<std::string, std::shared_ptr<const ColumnValues>> columns;  // of DatasetCommitted
  std::shared_ptr<const sampling::EpochPlan> plan;                     // of EpochOpened
  std::shared_ptr<sampling::ScoreDraw> draw;                           // of EpochOpened
  sampling::PlanTraits live_traits;
};

// What folding a record did, for whoever waits for it. What applies to its kind is set.
struct Outcome {
  absl::Status status;  // not OK: the state did not change
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const SamplerVersion> sampler;
  std::shared_ptr<Run> run;
  std::shared_ptr<const Epoch> epoch;
  Uid session = 0;
  FeedbackOutcome feedback;
  AcknowledgedOutcome acknowledged;
  uint64_t released_positions = 0;
  v1::Checkpoint checkpoint;
  v1::RollbackResponse rollback;
  std::vector<Uid> deleted_runs;
  std::vector<std::string> garbage;  // prefixes of images nobody owns any more
  // As garbage, but replaying the log since the last catalog may need them.
  std::vector<std::string> garbage_after_catalog;
};

// Thread-safe; one thread at a time calls Apply and the other changing methods.
class Catalog {
 public:
  Catalog() = default;

  // Folds a record.
  Outcome Apply(uint64_t sequence, const log::v1::Record& record, Attachments attachments = {});

  // The record folded last.
  uint64_t sequence() const;
  uint64_t incarnation() const;

  // Each returns null if there is none.
  std::shared_ptr<const Dataset> FindDataset(absl::string_view name) const;
  std::shared_ptr<const Dataset> FindDataset(Uid uid) const;
  std::shared_ptr<const SamplerVersion> FindSampler(absl::string_view name) const;
  std::shared_ptr<const SamplerVersion> FindSampler(Uid uid) const;
  std::shared_ptr<Run> FindRun(Uid uid) const;
  std::shared_ptr<Run> FindRun(absl::string_view name) const;

  // All, by name.
  std::vector<std::shared_ptr<const Dataset>> Datasets() const;
  std::vector<std::shared_ptr<const SamplerVersion>> Samplers() const;
  std::vector<std::shared_ptr<Run>> Runs() const;

  // Everything at this moment but columns, scores, plans and live batches.
  log::v1::Catalog Save() const;
  // Into an empty catalog; `sequence` is what the image includes. Fails with kDataLoss.
  absl::Status Restore(uint64_t sequence, const log::v1::Catalog& saved);

  // For recovery: where runs find scores that were folded before (called once for each run).
  void set_find_scores(
      std::function<std::unique_ptr<ScoreTable>(Uid run, uint64_t num_samples)> find_scores) {
    find_scores_ = std::move(find_scores);
  }

 private:
  using Record = log::v1::Record;

  // What epochs of an image refer to.
  struct Shared {
    std::map<std::pair<Uid, std::string>, std::shared_ptr<StoredColumn>> columns;  // by import
    std::map<std::pair<Uid, uint64_t>, std::shared_ptr<const SamplerVersion>> samplers;
  };

  Outcome CommitDataset(const Record& record, Attachments attachments);
  Outcome DeleteDataset(const log::v1::DatasetDeleted& deleted);
  Outcome CommitSampler(const Record& record);
  Outcome DeleteSampler(const log::v1::SamplerDeleted& deleted);
  Outcome CreateRun(uint64_t sequence, const Record& record);
  Outcome DeleteRun(const log::v1::RunDeleted& deleted);
  Outcome OpenEpoch(const Record& record, Attachments attachments);
  Outcome OpenSession(uint64_t sequence, const log::v1::SessionOpened& opened);
  Outcome ReportFeedback(uint64_t sequence, const log::v1::FeedbackReported& reported);
  Outcome DrawBatch(uint64_t sequence, const log::v1::BatchDrawn& drawn);
  Outcome AcknowledgePositions(const log::v1::PositionsAcknowledged& acknowledged);
  Outcome ReleaseParked(const log::v1::ParkedReleased& released);
  Outcome CommitRun(uint64_t sequence, const Record& record);
  Outcome RollBackRun(uint64_t sequence, const log::v1::RunRolledBack& rolled_back);

  // Returns the score table of that uid, with what its images hold.
  std::unique_ptr<ScoreTable> FindScores(Uid table, uint64_t num_samples) const;

  void RemoveRun(Uid uid, Outcome* outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a version may begin where `committed` says, and `before` be in force until then; errors
  // are those of UpdateSampler.
  absl::Status CheckBegin(const log::v1::SamplerCommitted& committed, Uid sampler,
                          const SamplerVersion* before) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void RemoveSampler(Uid uid, Outcome* outcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<Uid> RunsOf(Uid sampler) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  // Adds the images of `column` to `garbage` if neither its dataset nor a kept epoch needs them.
  void CollectColumn(const StoredColumn& column, Uid dataset,
                     std::vector<std::string>* garbage) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void CollectEpochs(const std::vector<std::shared_ptr<const Epoch>>& epochs, Uid dataset,
                     std::vector<std::string>* garbage) const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status RestoreRun(const log::v1::RunState& state, const Shared& shared)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::function<std::unique_ptr<ScoreTable>(Uid, uint64_t)> find_scores_;  // recovery only

  mutable FairSharedMutex mu_;
  uint64_t sequence_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t incarnation_ ABSL_GUARDED_BY(mu_) = 0;
  Uid next_uid_ ABSL_GUARDED_BY(mu_) = 1;
  std::map<Uid, std::shared_ptr<const Dataset>> datasets_ ABSL_GUARDED_BY(mu_);
  std::map<Uid, std::shared_ptr<const SamplerVersion>> samplers_ ABSL_GUARDED_BY(mu_);
  std::map<Uid, std::shared_ptr<Run>> runs_ ABSL_GUARDED_BY(mu_);
  // Names point to uids.
  std::map<std::string, Uid> dataset_names_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Uid> sampler_names_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Uid> run_names_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_ENGINE_CATALOG_H_
