// An engine of functions: a test says what each call does; what it does not say is kUnimplemented.

#ifndef SUBSET_TESTS_TESTING_FAKE_ENGINE_H_
#define SUBSET_TESTS_TESTING_FAKE_ENGINE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "engine/engine.h"

namespace subset {

// Thread-safe where the given functions are. Set them before the engine is used.
class FakeEngine : public Engine {
 public:
  using BatchDone = absl::AnyInvocable<void(absl::Status)>;

  std::function<void(const v1::GetBatchRequest&, v1::Batch*, Cancelled, BatchDone)> get_batch;
  std::function<void(const v1::ReportFeedbackRequest&, Done<v1::ReportFeedbackResponse>)>
      report_feedback;
  std::function<absl::StatusOr<v1::Dataset>(const v1::GetDatasetRequest&)> get_dataset;
  std::function<absl::StatusOr<std::unique_ptr<DatasetImport>>(
      const v1::ImportDatasetRequest::Header&)>
      start_import;
  std::function<EngineStats()> stats;
  std::atomic<bool> stopped_waiting{false};

  absl::StatusOr<std::unique_ptr<DatasetImport>> StartImport(
      const v1::ImportDatasetRequest::Header& header) override {
    if (start_import) return start_import(header);
    return Missing();
  }
  absl::StatusOr<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request) override {
    if (get_dataset) return get_dataset(request);
    return Missing();
  }
  void GetBatch(const v1::GetBatchRequest& request, v1::Batch* reply, Cancelled cancelled,
                BatchDone done) override {
    if (!get_batch) return done(Missing());
    get_batch(request, reply, std::move(cancelled), std::move(done));
  }
  void ReportFeedback(v1::ReportFeedbackRequest request,
                      Done<v1::ReportFeedbackResponse> done) override {
    if (!report_feedback) return done(Missing());
    report_feedback(request, std::move(done));
  }
  EngineStats Stats() override { return stats ? stats() : EngineStats(); }
  void StopWaiting() override { stopped_waiting = true; }

  absl::StatusOr<v1::ListDatasetsResponse> ListDatasets(const v1::ListDatasetsRequest&) override {
    return Missing();
  }
  void DeleteDataset(const v1::DeleteDatasetRequest&,
                     Done<v1::DeleteDatasetResponse> done) override {
    done(Missing());
  }
  void CreateSampler(const v1::CreateSamplerRequest&, Done<v1::Sampler> done) override {
    done(Missing());
  }
  void UpdateSampler(const v1::UpdateSamplerRequest&, Done<v1::Sampler> done) override {
    done(Missing());
  }
  absl::StatusOr<v1::Sampler> GetSampler(const v1::GetSamplerRequest&) override {
    return Missing();
  }
  absl::StatusOr<v1::ListSamplersResponse> ListSamplers(const v1::ListSamplersRequest&) override {
    return Missing();
  }
  void DeleteSampler(const v1::DeleteSamplerRequest&,
                     Done<v1::DeleteSamplerResponse> done) override {
    done(Missing());
  }
  v1::ListPresetsResponse ListPresets() override { return {}; }
  void PreviewSampler(const v1::PreviewSamplerRequest&,
                      Done<v1::PreviewSamplerResponse> done) override {
    done(Missing());
  }
  void ExplainSample(const v1::ExplainSampleRequest&,
                     Done<v1::ExplainSampleResponse> done) override {
    done(Missing());
  }
  void CreateRun(const v1::CreateRunRequest&, Done<v1::Run> done) override { done(Missing()); }
  absl::StatusOr<v1::Run> GetRun(const v1::GetRunRequest&) override { return Missing(); }
  absl::StatusOr<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest&) override {
    return Missing();
  }
  void DeleteRun(const v1::DeleteRunRequest&, Done<v1::DeleteRunResponse> done) override {
    done(Missing());
  }
  void OpenEpoch(const v1::OpenEpochRequest&, Cancelled, Done<v1::Epoch> done) override {
    done(Missing());
  }
  absl::StatusOr<std::unique_ptr<EpochProvision>> StartProvide(
      const v1::ProvideEpochRequest::Header&) override {
    return Missing();
  }
  void Select(const v1::SelectRequest&, Cancelled, Done<v1::Batch> done) override {
    done(Missing());
  }
  void GetOutOfBag(const v1::GetOutOfBagRequest&, Done<v1::GetOutOfBagResponse> done) override {
    done(Missing());
  }
  void OpenSession(const v1::OpenSessionRequest&, Done<v1::OpenSessionResponse> done) override {
    done(Missing());
  }
  void Acknowledge(const v1::AcknowledgeRequest&, Done<v1::AcknowledgeResponse> done) override {
    done(Missing());
  }
  absl::StatusOr<v1::RenewLeasesResponse> RenewLeases(const v1::RenewLeasesRequest&) override {
    return Missing();
  }
  absl::StatusOr<v1::ListLeasesResponse> ListLeases(const v1::ListLeasesRequest&) override {
    return Missing();
  }
  void ReleaseParked(const v1::ReleaseParkedRequest&,
                     Done<v1::ReleaseParkedResponse> done) override {
    done(Missing());
  }
  void Commit(const v1::CommitRequest&, Done<v1::Checkpoint> done) override { done(Missing()); }
  void Rollback(const v1::RollbackRequest&, Done<v1::RollbackResponse> done) override {
    done(Missing());
  }
  absl::Status FoldNow() override { return Missing(); }
  size_t ExpireIdleRuns() override { return 0; }

 private:
  static absl::Status Missing() { return absl::UnimplementedError("the test gives no answer"); }
};

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_FAKE_ENGINE_H_
