// The C++ client of Subset.
//
//   SUBSET_ASSIGN_OR_RETURN(auto client, subset::Client::Connect("localhost:50051"));
//
//   subset::DatasetImport dataset;
//   dataset.name = "cifar";
//   dataset.num_samples = labels.size();
//   dataset.columns = {subset::ImportColumn("label", absl::MakeConstSpan(labels))};
//   SUBSET_RETURN_IF_ERROR(client->ImportDataset(dataset).status());
//
//   subset::v1::CreateSamplerRequest sampler;
//   sampler.set_name("cifar/hard");
//   sampler.mutable_preset()->set_name("importance");
//   SUBSET_RETURN_IF_ERROR(client->CreateSampler(sampler).status());
//
//   subset::v1::CreateRunRequest job;
//   job.set_name("resnet-s1");
//   job.set_sampler("cifar/hard");
//   job.set_global_batch_size(128);
//   SUBSET_ASSIGN_OR_RETURN(subset::v1::Run run, client->CreateRun(job));
//   SUBSET_ASSIGN_OR_RETURN(auto feedback, client->OpenFeedback(run.uid()));
//
//   SUBSET_ASSIGN_OR_RETURN(auto batches, client->MakeBatchSampler(run));
//   while (true) {
//     SUBSET_ASSIGN_OR_RETURN(const subset::BatchView* batch, batches->Next());
//     if (batch == nullptr) break;  // the epoch is over
//     std::vector<float> loss = Train(batch->indices(), batch->WeightVector());
//     SUBSET_ASSIGN_OR_RETURN(auto report, subset::LossFeedback(*batch, batch->step(), loss));
//     SUBSET_RETURN_IF_ERROR(feedback->Report({report}).status());
//   }
//
// Errors are absl::Status with the code the rpc's comment in proto/subset/v1 lists. The field that
// was wrong and the fixed word for programs are its payloads: ErrorField() and ErrorReason() of
// base/error.h.

#ifndef SUBSET_CLIENT_H_
#define SUBSET_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "subset/batch_sampler.h"
#include "subset/batch_stream.h"
#include "subset/dataset_import.h"
#include "subset/feedback_session.h"
#include "subset/label_sets.h"
#include "subset/pool.h"
#include "subset/provided_epoch.h"
#include "subset/v1/dataset.pb.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

class RetryTiming;  // client/cpp/retry.h
namespace client_internal {
struct Connection;
}

// kUnavailable is tried again, and kCancelled, which this client never causes: after a random wait
// between 0 and min(max_backoff, initial_backoff * multiplier^k) before the (k+1)-th repetition.
struct RetryOptions {
  int max_attempts = 5;  // the first included; 1: never again
  absl::Duration initial_backoff = absl::Milliseconds(100);
  absl::Duration max_backoff = absl::Seconds(1);  // a server that is back is noticed within 2 s
  double multiplier = 2;
  absl::Duration patience = absl::InfiniteDuration();  // since the first failure: then never again
};

struct ClientOptions {
  // Of one call with all its repetitions, for calls that name none. Imports and provided epochs get
  // a second more for every 4 MiB.
  absl::Duration default_timeout = absl::Seconds(30);
  RetryOptions retry;
  // A connection that is silent for keepalive_time during a call is asked for a sign of life, and
  // closed when keepalive_timeout passes without one.
  absl::Duration keepalive_time = absl::Seconds(30);
  absl::Duration keepalive_timeout = absl::Seconds(10);
  RetryTiming* timing = nullptr;  // for tests; null: the machine's clock and randomness
};

// Thread-safe. Every call waits for its answer, for at most `timeout` (unset: default_timeout; not
// positive: fails at once), and repeats itself as RetryOptions says; then it returns the last
// error. A call may therefore have been executed although it failed, and a repeated delete may find
// nothing left (kNotFound).
class Client {
 public:
  using Timeout = std::optional<absl::Duration>;
  template <class T>
  using Answer = absl::StatusOr<T>;

  // Returns a client of `address` ("host:port", "dns:///host:port", "unix:path"). Does not wait for
  // the server: the first call does. kInvalidArgument (an option outside its range, named).
  static Answer<std::unique_ptr<Client>> Connect(const std::string& address,
                                                 const ClientOptions& options = {});
  ~Client();

  // Sends all columns in pieces of at most 1 MiB: everything becomes visible, or nothing.
  // kInvalidArgument also when a column's size is not that of num_samples values.
  Answer<v1::Dataset> ImportDataset(const DatasetImport& dataset, Timeout timeout = {});
  Answer<v1::Dataset> GetDataset(const v1::GetDatasetRequest& request, Timeout timeout = {});
  Answer<v1::ListDatasetsResponse> ListDatasets(const v1::ListDatasetsRequest& request,
                                                Timeout timeout = {});
  Answer<v1::DeleteDatasetResponse> DeleteDataset(const v1::DeleteDatasetRequest& request,
                                                  Timeout timeout = {});

  Answer<v1::Sampler> CreateSampler(const v1::CreateSamplerRequest& request, Timeout timeout = {});
  Answer<v1::Sampler> UpdateSampler(const v1::UpdateSamplerRequest& request, Timeout timeout = {});
  Answer<v1::Sampler> GetSampler(const v1::GetSamplerRequest& request, Timeout timeout = {});
  Answer<v1::ListSamplersResponse> ListSamplers(const v1::ListSamplersRequest& request,
                                                Timeout timeout = {});
  Answer<v1::DeleteSamplerResponse> DeleteSampler(const v1::DeleteSamplerRequest& request,
                                                  Timeout timeout = {});
  Answer<v1::ListPresetsResponse> ListPresets(const v1::ListPresetsRequest& request,
                                              Timeout timeout = {});

  // What an epoch would be drawn from, and why a sample would be drawn: takes O(num_samples).
  Answer<v1::PreviewSamplerResponse> PreviewSampler(const v1::PreviewSamplerRequest& request,
                                                    Timeout timeout = {});
  Answer<v1::ExplainSampleResponse> ExplainSample(const v1::ExplainSampleRequest& request,
                                                  Timeout timeout = {});

  Answer<v1::Run> CreateRun(const v1::CreateRunRequest& request, Timeout timeout = {});
  Answer<v1::Run> GetRun(const v1::GetRunRequest& request, Timeout timeout = {});
  Answer<v1::ListRunsResponse> ListRuns(const v1::ListRunsRequest& request, Timeout timeout = {});
  Answer<v1::DeleteRunResponse> DeleteRun(const v1::DeleteRunRequest& request,
                                          Timeout timeout = {});

  // Waits until the epoch is open: give it the run's feedback_timeout and more.
  Answer<v1::Epoch> OpenEpoch(const v1::OpenEpochRequest& request, Timeout timeout = {});
  // Opens an epoch whose samples and order are given, for a sampler whose draw is PROVIDED: all of
  // it or nothing. Repeating it is safe. kInvalidArgument also when the sizes differ.
  Answer<v1::Epoch> ProvideEpoch(const ProvidedEpoch& epoch, Timeout timeout = {});
  Answer<v1::Batch> GetBatch(const v1::GetBatchRequest& request, Timeout timeout = {});
  // Chooses from a batch that the caller scored, a pool: SelectFrom() of pool.h makes the request.
  Answer<v1::Batch> Select(const v1::SelectRequest& request, Timeout timeout = {});
  // The samples that an open epoch leaves out, in pages: of a bag, its out-of-bag samples.
  Answer<v1::GetOutOfBagResponse> GetOutOfBag(const v1::GetOutOfBagRequest& request,
                                              Timeout timeout = {});
  Answer<v1::OpenSessionResponse> OpenSession(const v1::OpenSessionRequest& request,
                                              Timeout timeout = {});
  Answer<v1::ReportFeedbackResponse> ReportFeedback(const v1::ReportFeedbackRequest& request,
                                                    Timeout timeout = {});

  // Leased delivery: GetBatch or StreamBatches(LeasedBlocks(...)), then one of these or feedback.
  Answer<v1::AcknowledgeResponse> Acknowledge(const v1::AcknowledgeRequest& request,
                                              Timeout timeout = {});
  Answer<v1::RenewLeasesResponse> RenewLeases(const v1::RenewLeasesRequest& request,
                                              Timeout timeout = {});
  Answer<v1::ListLeasesResponse> ListLeases(const v1::ListLeasesRequest& request,
                                            Timeout timeout = {});
  Answer<v1::ReleaseParkedResponse> ReleaseParked(const v1::ReleaseParkedRequest& request,
                                                  Timeout timeout = {});

  // Checkpoints of the trainer. Name the generation, so that a repetition changes nothing.
  Answer<v1::Checkpoint> Commit(const v1::CommitRequest& request, Timeout timeout = {});
  Answer<v1::RollbackResponse> Rollback(const v1::RollbackRequest& request, Timeout timeout = {});

  // Returns the batches of one rank, epoch after epoch, with states and a policy for outages. Asks
  // nobody yet. `run`: as CreateRun or GetRun gave it. kInvalidArgument (an option, named).
  Answer<std::unique_ptr<BatchSampler>> MakeBatchSampler(const v1::Run& run,
                                                         const BatchSamplerOptions& options = {});

  // Returns a stream of the batches at the addresses of `source`. Connects at its first Next().
  std::unique_ptr<BatchStream> StreamBatches(AddressSource source,
                                             const BatchStreamOptions& options = {});

  // Opens a session, through which every report is applied exactly once. Errors: as OpenSession.
  Answer<std::unique_ptr<FeedbackSession>> OpenFeedback(uint64_t run_uid, Timeout timeout = {});

  // Returns whether grpc.health.v1 says that `service` is SERVING ("": the server as a whole).
  // kNotFound: the server does not know that service.
  Answer<bool> CheckHealth(const std::string& service, Timeout timeout = {});

 private:
  explicit Client(std::shared_ptr<client_internal::Connection> connection);

  const std::shared_ptr<client_internal::Connection> connection_;
};

}  // namespace subset

#endif  // SUBSET_CLIENT_H_
