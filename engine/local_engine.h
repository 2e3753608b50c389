// The engine of one process over one store.

#ifndef SUBSET_ENGINE_LOCAL_ENGINE_H_
#define SUBSET_ENGINE_LOCAL_ENGINE_H_

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/batch.h"
#include "engine/catalog.h"
#include "engine/engine.h"
#include "engine/every.h"
#include "engine/image_keeper.h"
#include "engine/memory_limit.h"
#include "engine/planner.h"
#include "engine/recovery.h"
#include "engine/spec_check.h"
#include "engine/writer.h"

namespace subset {

// Thread-safe. Locks, in the order they are taken: live draws and leases of a run, the catalog, a
// run; the queues of the writer, the planner and the image keeper are leaves.
class LocalEngine : public Engine {
 public:
  // Over a recovered catalog, whose incarnation is raised.
  LocalEngine(const EngineOptions& options, std::unique_ptr<Store> store,
              std::unique_ptr<Catalog> catalog, Recovered recovered, absl::Duration recovery);
  ~LocalEngine() override;

  absl::StatusOr<std::unique_ptr<DatasetImport>> StartImport(
      const v1::ImportDatasetRequest::Header& header) override;
  absl::StatusOr<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request) override;
  absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(
      const v1::ListDatasetsRequest& request) override;
  void DeleteDataset(const v1::DeleteDatasetRequest& request,
                     Done<v1::DeleteDatasetResponse> done) override;

  void CreateSampler(const v1::CreateSamplerRequest& request, Done<v1::Sampler> done) override;
  void UpdateSampler(const v1::UpdateSamplerRequest& request, Done<v1::Sampler> done) override;
  absl::StatusOr<v1::Sampler> GetSampler(const v1::GetSamplerRequest& request) override;
  absl::StatusOr<v1::ListSamplersResponse> ListSamplers(
      const v1::ListSamplersRequest& request) override;
  void DeleteSampler(const v1::DeleteSamplerRequest& request,
                     Done<v1::DeleteSamplerResponse> done) override;
  v1::ListPresetsResponse ListPresets() override;
  void PreviewSampler(const v1::PreviewSamplerRequest& request,
                      Done<v1::PreviewSamplerResponse> done) override;
  void ExplainSample(const v1::ExplainSampleRequest& request,
                     Done<v1::ExplainSampleResponse> done) override;

  void CreateRun(const v1::CreateRunRequest& request, Done<v1::Run> done) override;
  absl::StatusOr<v1::Run> GetRun(const v1::GetRunRequest& request) override;
  absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request) override;
  void DeleteRun(const v1::DeleteRunRequest& request, Done<v1::DeleteRunResponse> done) override;

  void OpenEpoch(const v1::OpenEpochRequest& request, Cancelled cancelled,
                 Done<v1::Epoch> done) override;
  void GetBatch(const v1::GetBatchRequest& request, v1::Batch* reply, Cancelled cancelled,
                absl::AnyInvocable<void(absl::Status)> done) override;
  absl::StatusOr<std::unique_ptr<EpochProvision>> StartProvide(
      const v1::ProvideEpochRequest::Header& header) override;
  void Select(const v1::SelectRequest& request, Cancelled cancelled, Done<v1::Batch> done) override;
  void GetOutOfBag(const v1::GetOutOfBagRequest& request,
                   Done<v1::GetOutOfBagResponse> done) override;
  void OpenSession(const v1::OpenSessionRequest& request,
                   Done<v1::OpenSessionResponse> done) override;
  void ReportFeedback(v1::ReportFeedbackRequest request,
                      Done<v1::ReportFeedbackResponse> done) override;

  void Acknowledge(const v1::AcknowledgeRequest& request,
                   Done<v1::AcknowledgeResponse> done) override;
  absl::StatusOr<v1::RenewLeasesResponse> RenewLeases(
      const v1::RenewLeasesRequest& request) override;
  absl::StatusOr<v1::ListLeasesResponse> ListLeases(const v1::ListLeasesRequest& request) override;
  void ReleaseParked(const v1::ReleaseParkedRequest& request,
                     Done<v1::ReleaseParkedResponse> done) override;
  void Commit(const v1::CommitRequest& request, Done<v1::Checkpoint> done) override;
  void Rollback(const v1::RollbackRequest& request, Done<v1::RollbackResponse> done) override;

  EngineStats Stats() override;
  void StopWaiting() override { planner_.StopWaiting(); }
  absl::Status FoldNow() override { return keeper_.FoldNow(); }
  size_t ExpireIdleRuns() override;

 private:
  using BatchDone = absl::AnyInvocable<void(absl::Status)>;

  // Logs and folds a record; `done` gets what folding it did, or why it was not logged.
  void Submit(log::v1::Record record, bool sync, Attachments attachments,
              absl::AnyInvocable<void(Outcome)> done);
  void Submit(log::v1::Record record, absl::AnyInvocable<void(Outcome)> done) {
    Submit(std::move(record), /*sync=*/true, {}, std::move(done));
  }
  log::v1::Record NewRecord() const;

  // What a call defines a sampler as.
  struct Definition {
    DefinedBy by;
    sampling::SamplerSpec spec;
    std::shared_ptr<const Dataset> dataset;
  };
  // Reads the definition (spec or preset) in a request about sampler `name` and checks its columns;
  // CheckValues is left.
  template <typename Request>
  absl::StatusOr<Definition> DefinitionOf(const Request& request, const std::string& name) const;

  // An epoch that is looked at: resolved, and what its plan would be built from.
  struct Planned;
  absl::StatusOr<Planned> Plan(const v1::PlannedEpoch& request) const;
  template <typename Response, typename Look>
  void LookAt(const v1::PlannedEpoch& request, Look look, Done<Response> done);
  template <typename Request>
  void SetSampler(const Request& request, const v1::UpdateSamplerRequest* update,
                  Done<v1::Sampler> done);
  absl::StatusOr<std::shared_ptr<const Dataset>> RequireDataset(const std::string& name) const;
  absl::StatusOr<std::shared_ptr<const SamplerVersion>> RequireSampler(
      const std::string& name) const;
  absl::StatusOr<std::shared_ptr<Run>> RequireRun(const std::string& name) const;
  absl::StatusOr<std::shared_ptr<Run>> RequireRun(Uid uid) const;

  // Notes that the run is used, if that matters.
  void Use(Run& run) const;
  v1::Run Describe(const Run& run) const;
  RunStats StatsOf(Run& run) const;
  // Columns whose values a sampler of the run takes as weights.
  std::set<std::string> NonNegativeColumns(const Run& run) const;
  absl::Status CheckNewColumns(const Run& run, const v1::ReportFeedbackRequest& request) const;

  // The epoch is open: draws.
  void Serve(const std::shared_ptr<Run>& run, const std::shared_ptr<const Epoch>& epoch,
             const v1::GetBatchRequest& request, v1::Batch* reply, BatchDone done);
  void ServeLive(const std::shared_ptr<Run>& run, const std::shared_ptr<const Epoch>& epoch,
                 const BatchAddress& address, const v1::GetBatchRequest& request, v1::Batch* reply,
                 BatchDone done);
  // The epoch is open: grants its next block and draws it.
  void ServeLeased(const std::shared_ptr<Run>& run, const std::shared_ptr<const Epoch>& epoch,
                   const v1::GetBatchRequest& request, v1::Batch* reply, BatchDone done);
  // Draws the range and fills in what every reply has.
  void ServeRange(const std::shared_ptr<Run>& run, const std::shared_ptr<const Epoch>& epoch,
                  const BatchAddress& address, const v1::GetBatchRequest& request, v1::Batch* reply,
                  BatchDone done);
  // Checks the right to acknowledge by a lease, and notes in `attempt` what is known of it.
  absl::Status CheckLease(Run& run, const std::string& path, const v1::Lease& lease,
                          const std::string& worker, uint64_t epoch, Block block,
                          uint32_t* attempt) const;
  absl::Status CheckLeases(Run& run, log::v1::FeedbackReported* reported) const;
  absl::Status LogLive(const std::shared_ptr<Run>& run, uint64_t step, LiveDraws::Batch batch);

  const EngineOptions options_;
  const Recovered recovered_;
  const absl::Duration recovery_;
  const uint64_t incarnation_;
  const std::unique_ptr<Store> store_;
  const std::unique_ptr<Catalog> catalog_;
  std::atomic<uint32_t> imports_{0};  // counter of import uids
  MemoryLimit memory_;
  // Their threads use each other: stopped in the order keeper, writer, planner.
  Writer writer_;
  ImageKeeper keeper_;
  Planner planner_;
  Every expiry_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_LOCAL_ENGINE_H_
