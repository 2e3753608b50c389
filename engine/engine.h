// The state machine: datasets, samplers, runs, epochs and scores, as the fold of one ordered log.
//
// Everything that changes goes through one writer thread: it takes queued records, commits them as
// a group (one fsync), applies them, then calls the callers back. A record is durable before it is
// visible, and visible before it is acknowledged. Draws never wait for the disk, and for the writer
// only while one record is applied in memory.
//
// Requests and replies are the messages of proto/subset/v1, whose comments say what each call does
// and how it fails; failures name the field and the reason (base/error.h).

#ifndef SUBSET_ENGINE_ENGINE_H_
#define SUBSET_ENGINE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/types.h"
#include "engine/lease_book.h"
#include "storage/store.h"
#include "subset/v1/dataset.pb.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Told what the engine measures; called from its threads, must be quick and thread-safe.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void OnCommit(size_t records, absl::Duration write) = 0;  // one group, fsync included
  virtual void OnPlanBuilt(absl::Duration build) = 0;
  virtual void OnFold(uint64_t bytes, absl::Duration duration) = 0;
};

struct EngineOptions {
  Clock* clock = Clock::Real();
  EngineObserver* observer = nullptr;      // not owned; may be null
  uint64_t min_fold_bytes = 256ull << 20;  // fold when the log exceeds max(this, the images' size)
  uint32_t keep_plans = 3;                 // epochs of a run that stay drawable
  uint32_t keep_live_batches = 1024;       // live draws of a run that stay repeatable
  uint64_t max_memory_bytes = 0;           // refuse imports and runs beyond it; 0: no limit
};

// What /metrics shows of one run. Counters are since start.
struct RunStats {
  std::string dataset, run, preset;
  uint64_t epoch = 0;  // newest open
  double epoch_progress_ratio = 0;
  uint64_t batches_served = 0;
  uint64_t samples_drawn = 0;
  uint64_t feedback_messages = 0;
  uint64_t feedback_updates = 0;  // values applied
  uint64_t feedback_duplicates = 0;
  uint64_t scored_samples = 0;
  uint64_t score_records = 0;
  LeaseStats leases;
  uint64_t parked_blocks = 0;
  double effective_sample_ratio = 0;
};

struct DatasetStats {
  std::string dataset;
  uint64_t samples = 0;
  uint64_t bytes = 0;  // of columns and their strata in memory
};

struct EngineStats {
  uint64_t incarnation = 0;
  bool read_only = false;
  size_t queued_records = 0;
  size_t waiting_requests = 0;  // for an epoch to open
  absl::Duration recovery;      // what Open took
  uint64_t recovery_records = 0;
  StoreInfo store;
  std::vector<DatasetStats> datasets;
  std::vector<RunStats> runs;
};

// What comes in chunks, under way; dropped without Commit it leaves nothing. One thread at a time.
template <typename Chunk, typename Result>
class Upload {
 public:
  virtual ~Upload() = default;
  virtual absl::Status Append(const Chunk& chunk) = 0;
  virtual void Commit(absl::AnyInvocable<void(absl::StatusOr<Result>)> done) = 0;
};
using DatasetImport = Upload<v1::ImportDatasetRequest::Chunk, v1::Dataset>;
using EpochProvision = Upload<v1::ProvideEpochRequest::Chunk, v1::Epoch>;

// Thread-safe. Callbacks run on an engine thread or on the caller's before the call returns; they
// must not block. Every callback is called exactly once, at the latest during destruction.
class Engine {
 public:
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;
  // Asked now and then while a request waits for an epoch; true ends the wait with kCancelled.
  using Cancelled = std::function<bool()>;

  // Loads images, replays the log, raises the incarnation. Fails with kDataLoss (damaged; the
  // message names what and where) or kFailedPrecondition (written by a newer version).
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options,
                                                      std::unique_ptr<Store> store);

  // Refuses new work, finishes what is queued, makes everything durable.
  virtual ~Engine() = default;

  virtual absl::StatusOr<std::unique_ptr<DatasetImport>> StartImport(
      const v1::ImportDatasetRequest::Header& header) = 0;
  virtual absl::StatusOr<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request) = 0;
  virtual absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
      const v1::ListDatasetsRequest& request) = 0;
  virtual void DeleteDataset(const v1::DeleteDatasetRequest& request,
                             Done<v1::DeleteDatasetResponse> done) = 0;

  virtual void CreateSampler(const v1::CreateSamplerRequest& request, Done<v1::Sampler> done) = 0;
  virtual void UpdateSampler(const v1::UpdateSamplerRequest& request, Done<v1::Sampler> done) = 0;
  virtual absl::StatusOr<v1::Sampler> GetSampler(const v1::GetSamplerRequest& request) = 0;
  virtual absl::StatusOr<v1::ListSamplersResponse> ListSamplers(
      const v1::ListSamplersRequest& request) = 0;
  virtual void DeleteSampler(const v1::DeleteSamplerRequest& request,
                             Done<v1::DeleteSamplerResponse> done) = 0;
  virtual v1::ListPresetsResponse ListPresets() = 0;
  virtual void PreviewSampler(const v1::PreviewSamplerRequest& request,
                              Done<v1::PreviewSamplerResponse> done) = 0;
  virtual void ExplainSample(const v1::ExplainSampleRequest& request,
                             Done<v1::ExplainSampleResponse> done) = 0;

  virtual void CreateRun(const v1::CreateRunRequest& request, Done<v1::Run> done) = 0;
  virtual absl::StatusOr<v1::Run> GetRun(const v1::GetRunRequest& request) = 0;
  virtual absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request) = 0;
  virtual void DeleteRun(const v1::DeleteRunRequest& request, Done<v1::DeleteRunResponse> done) = 0;

  virtual void OpenEpoch(const v1::OpenEpochRequest& request, Cancelled cancelled,
                         Done<v1::Epoch> done) = 0;
  // `reply` must live until `done` is called, and be empty but for `indices`, which are replaced.
  // Inline where the epoch is open.
  virtual void GetBatch(const v1::GetBatchRequest& request, v1::Batch* reply, Cancelled cancelled,
                        absl::AnyInvocable<void(absl::Status)> done) = 0;
  virtual absl::StatusOr<std::unique_ptr<EpochProvision>> StartProvide(
      const v1::ProvideEpochRequest::Header& header) = 0;
  virtual void Select(const v1::SelectRequest& request, Cancelled cancelled,
                      Done<v1::Batch> done) = 0;
  virtual void GetOutOfBag(const v1::GetOutOfBagRequest& request,
                           Done<v1::GetOutOfBagResponse> done) = 0;
  virtual void OpenSession(const v1::OpenSessionRequest& request,
                           Done<v1::OpenSessionResponse> done) = 0;
  // May move the bulk out of `request`.
  virtual void ReportFeedback(v1::ReportFeedbackRequest request,
                              Done<v1::ReportFeedbackResponse> done) = 0;

  virtual void Acknowledge(const v1::AcknowledgeRequest& request,
                           Done<v1::AcknowledgeResponse> done) = 0;
  virtual absl::StatusOr<v1::RenewLeasesResponse> RenewLeases(
      const v1::RenewLeasesRequest& request) = 0;
  virtual absl::StatusOr<v1::ListLeasesResponse> ListLeases(
      const v1::ListLeasesRequest& request) = 0;
  virtual void ReleaseParked(const v1::ReleaseParkedRequest& request,
                             Done<v1::ReleaseParkedResponse> done) = 0;
  virtual void Commit(const v1::CommitRequest& request, Done<v1::Checkpoint> done) = 0;
  virtual void Rollback(const v1::RollbackRequest& request, Done<v1::RollbackResponse> done) = 0;

  virtual EngineStats Stats() = 0;

  // Ends waiting requests with kUnavailable and refuses new waits: the first step of a drain.
  virtual void StopWaiting() = 0;

  // Deletes the runs nobody used for their time to live; returns how many. The engine itself does
  // so once a second.
  virtual size_t ExpireIdleRuns() = 0;

  // Folds now, whatever the log's size. Blocks. For tests and benchmarks.
  virtual absl::Status FoldNow() = 0;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_ENGINE_H_
