#include "tests/client/fake_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace subset {
namespace {

constexpr uint64_t kEpochPositions = 20;

grpc::Status NotFoundError(const std::string& kind, const std::string& name) {
  return DetailedError(grpc::StatusCode::NOT_FOUND,
                       absl::StrCat(kind, " \"", name, "\" does not exist"), "", "NOT_FOUND");
}

// From the address of one batch to that of the next.
void Advance(v1::GetBatchRequest* request) {
  if (request->has_assigned()) {
    request->mutable_assigned()->set_step(request->assigned().step() + 1);
  } else if (request->has_positions()) {
    v1::GetBatchRequest::Positions& positions = *request->mutable_positions();
    positions.set_position(positions.position() + positions.batch_size());
  }
}

google::protobuf::Timestamp FixedTime() {
  google::protobuf::Timestamp time;
  time.set_seconds(1'700'000'000);  // 2023-11-14T22:13:20Z
  return time;
}

}  // namespace

grpc::Status DetailedError(grpc::StatusCode code, const std::string& message,
                           const std::string& field, const std::string& reason) {
  google::rpc::Status details;
  details.set_code(code);
  details.set_message(message);
  if (!field.empty()) {
    google::rpc::BadRequest bad_request;
    bad_request.add_field_violations()->set_field(field);
    details.add_details()->PackFrom(bad_request);
  }
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("subset");
  details.add_details()->PackFrom(info);
  return grpc::Status(code, message, details.SerializeAsString());
}

v1::Batch FakeBatch(uint64_t epoch, uint64_t position, uint32_t count) {
  std::vector<uint32_t> indices;
  std::vector<float> weights;
  for (uint64_t i = position; i < position + count; ++i) {
    indices.push_back(static_cast<uint32_t>((7 * i + epoch) % 100));
    weights.push_back(indices.back() % 2 == 0 ? 0.5f : 2.0f);
  }
  v1::Batch batch;
  batch.set_epoch(epoch);
  batch.set_position(position);
  batch.set_attempt(1);
  batch.set_index_width(4);
  batch.set_indices(indices.data(), indices.size() * sizeof(uint32_t));
  batch.set_probability(0.01);
  batch.set_weights(weights.data(), weights.size() * sizeof(float));
  batch.set_probability_kind(v1::PROBABILITY_KIND_PER_DRAW);
  batch.set_unbiased_over(v1::UNBIASED_OVER_BATCH);
  batch.set_sampler_version(1);
  batch.set_global_samples(count);
  return batch;
}

struct FakeServer::State {
  mutable Mutex mu;
  CondVar released;
  std::deque<grpc::Status> failures ABSL_GUARDED_BY(mu);
  std::deque<std::pair<int, grpc::Status>> stream_ends ABSL_GUARDED_BY(mu);
  std::vector<std::string> calls ABSL_GUARDED_BY(mu);
  std::vector<std::vector<v1::GetBatchRequest>> streams ABSL_GUARDED_BY(mu);
  size_t stream_requests ABSL_GUARDED_BY(mu) = 0;
  std::vector<v1::ReportFeedbackRequest> reports ABSL_GUARDED_BY(mu);
  std::set<std::pair<uint64_t, uint64_t>> sequences ABSL_GUARDED_BY(mu);  // with their session
  uint64_t sessions ABSL_GUARDED_BY(mu) = 0;
  std::map<std::string, v1::Dataset> datasets ABSL_GUARDED_BY(mu);
  std::map<std::string, std::string> columns ABSL_GUARDED_BY(mu);
  std::vector<size_t> chunk_sizes ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::Sampler> samplers ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::Run> runs ABSL_GUARDED_BY(mu);
  bool serving ABSL_GUARDED_BY(mu) = true;
  bool held ABSL_GUARDED_BY(mu) = false;

  // Notes the call and returns the failure that is due, if any.
  grpc::Status Arrive(const std::string& method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    calls.push_back(method);
    if (failures.empty()) return grpc::Status::OK;
    grpc::Status failure = failures.front();
    failures.pop_front();
    return failure;
  }

  // Answers with every value of a map.
  template <class Map, class Add>
  static grpc::Status List(const Map& map, Add add) {
    for (const auto& [name, value] : map) *add() = value;
    return grpc::Status::OK;
  }

  template <class Map, class Value>
  static grpc::Status Get(const Map& map, const std::string& kind, const std::string& name,
                          Value* value) {
    const auto found = map.find(name);
    if (found == map.end()) return NotFoundError(kind, name);
    *value = found->second;
    return grpc::Status::OK;
  }

  template <class Map>
  static grpc::Status Delete(Map& map, const std::string& kind, const std::string& name) {
    return map.erase(name) == 1 ? grpc::Status::OK : NotFoundError(kind, name);
  }

  grpc::Status Answer(const v1::GetBatchRequest& request, v1::Batch* batch) const {
    const bool assigned = request.has_assigned();
    const uint64_t position =
        assigned ? request.assigned().step() * 4 : request.positions().position();
    if (position >= kEpochPositions) {
      return DetailedError(grpc::StatusCode::OUT_OF_RANGE,
                           absl::StrCat("position ", position, " is past the epoch's ",
                                        kEpochPositions, " positions"),
                           "", "EPOCH_END");
    }
    const uint64_t asked = assigned ? 4 : request.positions().batch_size();
    *batch = FakeBatch(request.epoch(), position,
                       static_cast<uint32_t>(std::min(asked, kEpochPositions - position)));
    if (assigned) batch->set_step(request.assigned().step());
    return grpc::Status::OK;
  }
};

// A unary method of the fake: under the lock, after the failure that may be due.
#define SUBSET_FAKE_METHOD(METHOD, REQUEST, RESPONSE, ...)                                      \
  grpc::Status METHOD(grpc::ServerContext*, const v1::REQUEST* request, v1::RESPONSE* response) \
      override {                                                                                \
    (void)request, (void)response;                                                              \
    MutexLock lock(&s_->mu);                                                                    \
    if (grpc::Status failure = s_->Arrive(#METHOD); !failure.ok()) return failure;              \
    __VA_ARGS__                                                                                 \
  }

class FakeServer::Datasets final : public v1::DatasetService::Service {
 public:
  explicit Datasets(State* state) : s_(state) {}

  grpc::Status ImportDataset(grpc::ServerContext*,
                             grpc::ServerReader<v1::ImportDatasetRequest>* reader,
                             v1::Dataset* response) override {
    v1::ImportDatasetRequest message;
    reader->Read(&message);
    const auto header = message.header();
    std::map<std::string, std::string> columns;
    std::vector<size_t> sizes;
    while (reader->Read(&message)) {
      columns[absl::StrCat(header.dataset(), "/", message.chunk().column())] +=
          message.chunk().data();
      sizes.push_back(message.chunk().data().size());
    }
    MutexLock lock(&s_->mu);
    if (grpc::Status failure = s_->Arrive("ImportDataset"); !failure.ok()) return failure;
    if (header.create_only() && s_->datasets.count(header.dataset()) > 0) {
      return DetailedError(grpc::StatusCode::ALREADY_EXISTS,
                           absl::StrCat("dataset \"", header.dataset(), "\" exists"),
                           "header.dataset", "ALREADY_EXISTS");
    }
    v1::Dataset& dataset = s_->datasets[header.dataset()];
    dataset.set_name(header.dataset());
    dataset.set_uid(7);
    dataset.set_num_samples(header.num_samples());
    dataset.set_columns_version(1);
    dataset.set_fingerprint("00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff");
    *dataset.mutable_create_time() = FixedTime();
    dataset.clear_columns();
    for (const v1::Column& declared : header.columns()) {
      v1::Column* column = dataset.add_columns();
      *column = declared;
      column->set_sha256("abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd");
      if (declared.type() <= v1::COLUMN_TYPE_INT64) column->set_distinct_values(10);
    }
    for (const auto& [name, bytes] : columns) s_->columns[name] = bytes;
    s_->chunk_sizes = sizes;
    *response = dataset;
    return grpc::Status::OK;
  }

  SUBSET_FAKE_METHOD(GetDataset, GetDatasetRequest, Dataset,
                     return State::Get(s_->datasets, "dataset", request->name(), response);)
  SUBSET_FAKE_METHOD(DeleteDataset, DeleteDatasetRequest, DeleteDatasetResponse,
                     return State::Delete(s_->datasets, "dataset", request->name());)
  // One per page, so that clients must turn pages.
  SUBSET_FAKE_METHOD(ListDatasets, ListDatasetsRequest, ListDatasetsResponse,
                     auto next = s_->datasets.upper_bound(request->page_token());
                     if (next == s_->datasets.end()) return grpc::Status::OK;
                     *response->add_datasets() = next->second;
                     const std::string token = next->first;
                     if (++next != s_->datasets.end()) response->set_next_page_token(token);
                     return grpc::Status::OK;)

 private:
  State* const s_;
};

class FakeServer::Samplers final : public v1::SamplerService::Service {
 public:
  explicit Samplers(State* state) : s_(state) {}

  SUBSET_FAKE_METHOD(CreateSampler, CreateSamplerRequest, Sampler,
                     return Define(*request, 1, response);)
  SUBSET_FAKE_METHOD(
      UpdateSampler, UpdateSamplerRequest, Sampler,
      if (s_->samplers.count(request->name()) == 0) {
        return NotFoundError("sampler", request->name());
      } const uint64_t version = s_->samplers[request->name()].version();
      return Define(*request, version + 1, response);)
  SUBSET_FAKE_METHOD(GetSampler, GetSamplerRequest, Sampler,
                     return State::Get(s_->samplers, "sampler", request->name(), response);)
  SUBSET_FAKE_METHOD(ListSamplers, ListSamplersRequest, ListSamplersResponse,
                     return State::List(s_->samplers, [&] { return response->add_samplers(); });)
  SUBSET_FAKE_METHOD(DeleteSampler, DeleteSamplerRequest, DeleteSamplerResponse,
                     return State::Delete(s_->samplers, "sampler", request->name());)
  SUBSET_FAKE_METHOD(ListPresets, ListPresetsRequest, ListPresetsResponse,
                     v1::Preset* preset = response->add_presets();
                     preset->set_name("importance");
                     preset->set_source("Katharopoulos and Fleuret, 2018");
                     preset->set_formula("q_i = (1-lambda) s_i^alpha / sum + lambda / N");
                     preset->set_unbiased_for("natural mean, every batch");
                     v1::PresetParameter* parameter = preset->add_parameters();
                     parameter->set_name("alpha"); parameter->set_default_value(1);
                     parameter->set_range("(0, 16]");
                     parameter->set_description("exponent of the score");
                     parameter = preset->add_parameters(); parameter->set_name("total_epochs");
                     parameter->set_range("[1, 2^31)");
                     parameter->set_description("length of the training"); return grpc::Status::OK;)

 private:
  template <class Request>
  grpc::Status Define(const Request& request, uint64_t version, v1::Sampler* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(s_->mu) {
    const std::map<std::string, double> parameters(request.preset().parameters().begin(),
                                                   request.preset().parameters().end());
    if (parameters.count("alpha") > 0 && parameters.at("alpha") > 16) {
      return DetailedError(
          grpc::StatusCode::INVALID_ARGUMENT,
          absl::StrCat("preset.parameters[alpha] ", parameters.at("alpha"), " is outside (0, 16]"),
          "preset.parameters[alpha]", "INVALID_FIELD");
    }
    v1::Sampler sampler;
    sampler.set_name(request.name());
    sampler.set_uid(8);
    sampler.set_dataset_uid(7);
    sampler.set_version(version);
    *sampler.mutable_spec() = request.spec();
    if (request.has_preset()) {
      sampler.set_preset(request.preset().name());
      auto* power = sampler.mutable_spec()->mutable_preference()->mutable_score_power();
      power->set_score("loss");
      power->set_alpha(parameters.count("alpha") > 0 ? parameters.at("alpha") : 1);
    }
    *sampler.mutable_create_time() = FixedTime();
    s_->samplers[request.name()] = sampler;
    *response = sampler;
    return grpc::Status::OK;
  }

  State* const s_;
};

class FakeServer::Training final : public v1::TrainingService::Service {
 public:
  explicit Training(State* state) : s_(state) {}

  SUBSET_FAKE_METHOD(CreateRun, CreateRunRequest, Run, v1::Run& run = s_->runs[request->name()];
                     run.set_name(request->name()); run.set_uid(9);
                     run.set_sampler(request->sampler()); run.set_num_samples(100);
                     run.set_seed(request->seed());
                     run.set_global_batch_size(request->global_batch_size());
                     run.set_drop_last(request->drop_last());
                     *run.mutable_feedback_timeout() = request->feedback_timeout();
                     *run.mutable_create_time() = FixedTime(); *response = run;
                     return grpc::Status::OK;)
  SUBSET_FAKE_METHOD(GetRun, GetRunRequest, Run,
                     return State::Get(s_->runs, "run", request->name(), response);)
  SUBSET_FAKE_METHOD(ListRuns, ListRunsRequest, ListRunsResponse,
                     return State::List(s_->runs, [&] { return response->add_runs(); });)
  SUBSET_FAKE_METHOD(DeleteRun, DeleteRunRequest, DeleteRunResponse,
                     return State::Delete(s_->runs, "run", request->name());)
  SUBSET_FAKE_METHOD(
      OpenEpoch, OpenEpochRequest, Epoch, response->set_epoch(request->epoch());
      response->set_sampler_version(1);
      response->set_opened(request->now() ? v1::Epoch::EXPLICIT : v1::Epoch::FIRST);
      *response->mutable_open_time() = FixedTime(); response->set_num_positions(kEpochPositions);
      response->set_num_steps(kEpochPositions / 4); response->set_distinct_samples(kEpochPositions);
      response->set_effective_sample_ratio(0.75); for (auto& [name, run]
                                                       : s_->runs) {
        run.clear_epochs();
        *run.add_epochs() = *response;
      } return grpc::Status::OK;)
  SUBSET_FAKE_METHOD(GetBatch, GetBatchRequest, Batch, return s_->Answer(*request, response);)
  SUBSET_FAKE_METHOD(OpenSession, OpenSessionRequest, OpenSessionResponse,
                     response->set_session_id(11 + s_->sessions++);
                     return grpc::Status::OK;)
  SUBSET_FAKE_METHOD(
      ReportFeedback, ReportFeedbackRequest, ReportFeedbackResponse,
      response->set_duplicate(
          !s_->sequences.insert({request->session_id(), request->sequence()}).second);
      response->set_durability(request->durability()); for (const v1::Feedback& feedback
                                                            : request->feedback()) {
        response->set_applied_items(response->applied_items() +
                                    static_cast<uint32_t>(feedback.indices().size() / 4));
      } if (!response->duplicate()) s_->reports.push_back(*request);
      response->mutable_score_version()->set_incarnation(1);
      response->mutable_score_version()->set_records(s_->reports.size()); return grpc::Status::OK;)

  grpc::Status StreamBatches(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::Batch, v1::GetBatchRequest>* stream) override {
    int answers_left = -1;  // for ever
    grpc::Status end;
    size_t number;
    {
      MutexLock lock(&s_->mu);
      number = s_->streams.size();
      s_->streams.emplace_back();
      if (grpc::Status failure = s_->Arrive("StreamBatches"); !failure.ok()) return failure;
      if (!s_->stream_ends.empty()) {
        std::tie(answers_left, end) = s_->stream_ends.front();
        s_->stream_ends.pop_front();
      }
    }
    v1::GetBatchRequest request;
    while (answers_left != 0 && stream->Read(&request)) {
      const uint32_t num_batches = std::max<uint32_t>(request.num_batches(), 1);
      request.clear_num_batches();
      {
        MutexLock lock(&s_->mu);
        ++s_->stream_requests;
      }
      for (uint32_t k = 0; k < num_batches && answers_left != 0; ++k) {
        v1::Batch batch;
        {
          MutexLock lock(&s_->mu);
          s_->streams[number].push_back(request);
          while (s_->held && !context->IsCancelled()) {
            s_->released.WaitWithTimeout(&s_->mu, absl::Milliseconds(10));
          }
          if (grpc::Status failed = s_->Answer(request, &batch); !failed.ok()) return failed;
        }
        if (!stream->Write(batch)) return grpc::Status::CANCELLED;
        if (answers_left > 0) --answers_left;
        Advance(&request);
      }
    }
    return end;
  }

 private:
  State* const s_;
};

class FakeServer::Health final : public grpc::health::v1::Health::Service {
 public:
  explicit Health(State* state) : s_(state) {}

  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override {
    MutexLock lock(&s_->mu);
    if (grpc::Status failure = s_->Arrive("Check"); !failure.ok()) return failure;
    if (request->service() == "unknown") return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
    response->set_status(s_->serving ? grpc::health::v1::HealthCheckResponse::SERVING
                                     : grpc::health::v1::HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  }

 private:
  State* const s_;
};

FakeServer::FakeServer()
    : state_(new State),
      datasets_(new Datasets(state_.get())),
      samplers_(new Samplers(state_.get())),
      training_(new Training(state_.get())),
      health_(new Health(state_.get())) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(datasets_.get());
  builder.RegisterService(samplers_.get());
  builder.RegisterService(training_.get());
  builder.RegisterService(health_.get());
  server_ = builder.BuildAndStart();
  SUBSET_CHECK(server_ != nullptr && port_ != 0);
}

FakeServer::~FakeServer() {
  Release();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

std::string FakeServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void FakeServer::FailNext(std::vector<grpc::Status> failures) {
  MutexLock lock(&state_->mu);
  state_->failures.assign(failures.begin(), failures.end());
}
void FakeServer::EndStream(int answers, const grpc::Status& status) {
  MutexLock lock(&state_->mu);
  state_->stream_ends.emplace_back(answers, status);
}
std::vector<std::string> FakeServer::calls() const {
  MutexLock lock(&state_->mu);
  return state_->calls;
}
size_t FakeServer::stream_requests() const {
  MutexLock lock(&state_->mu);
  return state_->stream_requests;
}

std::vector<std::vector<v1::GetBatchRequest>> FakeServer::streams() const {
  MutexLock lock(&state_->mu);
  return state_->streams;
}
std::vector<v1::ReportFeedbackRequest> FakeServer::reports() const {
  MutexLock lock(&state_->mu);
  return state_->reports;
}
std::string FakeServer::column(const std::string& dataset, const std::string& name) const {
  MutexLock lock(&state_->mu);
  const auto found = state_->columns.find(absl::StrCat(dataset, "/", name));
  return found == state_->columns.end() ? "" : found->second;
}
std::vector<size_t> FakeServer::chunk_sizes() const {
  MutexLock lock(&state_->mu);
  return state_->chunk_sizes;
}
void FakeServer::set_serving(bool serving) {
  MutexLock lock(&state_->mu);
  state_->serving = serving;
}
void FakeServer::Hold() {
  MutexLock lock(&state_->mu);
  state_->held = true;
}
void FakeServer::Release() {
  MutexLock lock(&state_->mu);
  state_->held = false;
  state_->released.NotifyAll();
}

}  // namespace subset
