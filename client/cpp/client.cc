#include "subset/client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "client/cpp/connection.h"

namespace subset {
namespace {

using client_internal::CallUnary;
using client_internal::Connection;

absl::Status ValidateOptions(const std::string& address, const ClientOptions& options) {
  if (address.empty()) return InvalidField("address", "is empty; give host:port");
  if (options.default_timeout <= absl::ZeroDuration()) {
    return InvalidField("default_timeout",
                        absl::StrCat(absl::FormatDuration(options.default_timeout), " is not > 0"));
  }
  if (options.retry.max_attempts < 1) {
    return InvalidField("retry.max_attempts",
                        absl::StrCat(options.retry.max_attempts, " is not >= 1"));
  }
  if (options.retry.initial_backoff < absl::ZeroDuration() ||
      options.retry.max_backoff < options.retry.initial_backoff) {
    return InvalidField(
        "retry.max_backoff",
        absl::StrCat(absl::FormatDuration(options.retry.max_backoff), " is below initial_backoff ",
                     absl::FormatDuration(options.retry.initial_backoff), ", or that is negative"));
  }
  if (!(options.retry.multiplier >= 1)) {
    return InvalidField("retry.multiplier", absl::StrCat(options.retry.multiplier, " is not >= 1"));
  }
  if (options.retry.patience < absl::ZeroDuration()) {
    return InvalidField("retry.patience",
                        absl::StrCat(absl::FormatDuration(options.retry.patience), " is negative"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(const std::string& address,
                                                        const ClientOptions& options) {
  const absl::Status valid = ValidateOptions(address, options);
  if (!valid.ok()) return valid;
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                           client_internal::ChannelArgumentsFor(options));
  return std::unique_ptr<Client>(
      new Client(std::make_shared<Connection>(std::move(channel), options)));
}

Client::Client(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
Client::~Client() = default;

// Every unary method is the same sentence.
#define SUBSET_CLIENT_UNARY(SERVICE, STUB, METHOD, RESPONSE)                                \
  absl::StatusOr<v1::RESPONSE> Client::METHOD(const v1::METHOD##Request& request,           \
                                              Timeout timeout) {                            \
    return CallUnary(*connection_, *connection_->STUB, &v1::SERVICE::Stub::METHOD, request, \
                     timeout);                                                              \
  }

SUBSET_CLIENT_UNARY(DatasetService, datasets, GetDataset, Dataset)
SUBSET_CLIENT_UNARY(DatasetService, datasets, ListDatasets, ListDatasetsResponse)
SUBSET_CLIENT_UNARY(DatasetService, datasets, DeleteDataset, DeleteDatasetResponse)
SUBSET_CLIENT_UNARY(SamplerService, samplers, CreateSampler, Sampler)
SUBSET_CLIENT_UNARY(SamplerService, samplers, UpdateSampler, Sampler)
SUBSET_CLIENT_UNARY(SamplerService, samplers, GetSampler, Sampler)
SUBSET_CLIENT_UNARY(SamplerService, samplers, ListSamplers, ListSamplersResponse)
SUBSET_CLIENT_UNARY(SamplerService, samplers, DeleteSampler, DeleteSamplerResponse)
SUBSET_CLIENT_UNARY(SamplerService, samplers, ListPresets, ListPresetsResponse)
SUBSET_CLIENT_UNARY(SamplerService, samplers, PreviewSampler, PreviewSamplerResponse)
SUBSET_CLIENT_UNARY(SamplerService, samplers, ExplainSample, ExplainSampleResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, CreateRun, Run)
SUBSET_CLIENT_UNARY(TrainingService, training, GetRun, Run)
SUBSET_CLIENT_UNARY(TrainingService, training, ListRuns, ListRunsResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, DeleteRun, DeleteRunResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, OpenEpoch, Epoch)
SUBSET_CLIENT_UNARY(TrainingService, training, GetBatch, Batch)
SUBSET_CLIENT_UNARY(TrainingService, training, Select, Batch)
SUBSET_CLIENT_UNARY(TrainingService, training, GetOutOfBag, GetOutOfBagResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, OpenSession, OpenSessionResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, ReportFeedback, ReportFeedbackResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, Acknowledge, AcknowledgeResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, RenewLeases, RenewLeasesResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, ListLeases, ListLeasesResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, ReleaseParked, ReleaseParkedResponse)
SUBSET_CLIENT_UNARY(TrainingService, training, Commit, Checkpoint)
SUBSET_CLIENT_UNARY(TrainingService, training, Rollback, RollbackResponse)

#undef SUBSET_CLIENT_UNARY

absl::StatusOr<std::unique_ptr<BatchSampler>> Client::MakeBatchSampler(
    const v1::Run& run, const BatchSamplerOptions& options) {
  return BatchSampler::Create(*connection_, run, options);
}

std::unique_ptr<BatchStream> Client::StreamBatches(AddressSource source,
                                                   const BatchStreamOptions& options) {
  return std::unique_ptr<BatchStream>(new BatchStream(connection_, std::move(source), options));
}

absl::StatusOr<std::unique_ptr<FeedbackSession>> Client::OpenFeedback(uint64_t run_uid,
                                                                      Timeout timeout) {
  v1::OpenSessionRequest request;
  request.set_run_uid(run_uid);
  const auto session = OpenSession(request, timeout);
  if (!session.ok()) return session.status();
  return std::unique_ptr<FeedbackSession>(
      new FeedbackSession(connection_, run_uid, session->session_id()));
}

absl::StatusOr<bool> Client::CheckHealth(const std::string& service, Timeout timeout) {
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(service);
  const auto answer = CallUnary(*connection_, *connection_->health,
                                &grpc::health::v1::Health::Stub::Check, request, timeout);
  if (!answer.ok()) return answer.status();
  return answer->status() == grpc::health::v1::HealthCheckResponse::SERVING;
}

}  // namespace subset
