#include "bench/durable/scored_run.h"

#include <cstdio>
#include <cstdlib>
#include <future>
#include <utility>

#include "storage/rocks_store.h"

namespace subset::bench {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  if (!result.ok()) Fail(result.status().ToString());
  return *std::move(result);
}

// Calls `start` with a callback and waits for what it is given.
template <typename T, typename Start>
T Await(Start start) {
  std::promise<absl::StatusOr<T>> promise;
  start([&promise](absl::StatusOr<T> result) { promise.set_value(std::move(result)); });
  return OrDie(promise.get_future().get());
}

}  // namespace

void Fail(const std::string& what) {
  std::fprintf(stderr, "benchmark failed: %s\n", what.c_str());
  std::exit(1);
}

ScoredRun::ScoredRun(const std::string& path, uint64_t num_samples) {
  RocksStoreOptions store_options;
  store_options.path = path;
  EngineOptions options;
  options.observer = this;
  engine_ = OrDie(Engine::Open(options, OrDie(RocksStore::Open(store_options))));
  v1::GetRunRequest get;
  get.set_name("bench");
  absl::StatusOr<v1::Run> run = engine_->GetRun(get);
  if (run.ok()) {
    run_uid_ = run->uid();
    return;
  }

  v1::ImportDatasetRequest::Header header;
  header.set_dataset("bench");
  header.set_num_samples(num_samples);
  std::unique_ptr<DatasetImport> import = OrDie(engine_->StartImport(header));
  Await<v1::Dataset>([&](auto done) { import->Commit(std::move(done)); });
  v1::CreateSamplerRequest sampler;
  sampler.set_name("bench/importance");
  sampler.mutable_preset()->set_name("importance");
  Await<v1::Sampler>([&](auto done) { engine_->CreateSampler(sampler, std::move(done)); });
  v1::CreateRunRequest create;
  create.set_name("bench");
  create.set_sampler("bench/importance");
  create.set_global_batch_size(8192);
  run_uid_ = Await<v1::Run>([&](auto done) { engine_->CreateRun(create, std::move(done)); }).uid();
  v1::OpenSessionRequest session;
  session.set_run_uid(run_uid_);
  session_id_ = Await<v1::OpenSessionResponse>([&](auto done) {
                  engine_->OpenSession(session, std::move(done));
                }).session_id();
  FirstBatch(1);  // opens epoch 0
}

ScoredRun::~ScoredRun() { Finish(); }

void ScoredRun::Report(absl::string_view indices, absl::string_view losses, int in_flight) {
  v1::ReportFeedbackRequest request;
  request.set_run_uid(run_uid_);
  request.set_session_id(session_id_);
  request.set_sequence(++sequence_);
  request.set_durability(v1::DURABILITY_DURABLE);
  v1::Feedback* feedback = request.add_feedback();
  feedback->set_step(sequence_);
  feedback->set_index_width(4);
  feedback->set_indices(indices.data(), indices.size());
  v1::FloatColumn* loss = feedback->add_values();
  loss->set_name("loss");
  loss->set_values(losses.data(), losses.size());
  {
    MutexLock lock(&mu_);
    while (in_flight_ >= in_flight) answered_.Wait(&mu_);
    ++in_flight_;
  }
  engine_->ReportFeedback(std::move(request),
                          [this](absl::StatusOr<v1::ReportFeedbackResponse> reply) {
                            if (!reply.ok()) Fail(reply.status().ToString());
                            MutexLock lock(&mu_);
                            --in_flight_;
                            answered_.NotifyAll();
                          });
}

void ScoredRun::Finish() {
  MutexLock lock(&mu_);
  while (in_flight_ > 0) answered_.Wait(&mu_);
}

void ScoredRun::Fold() {
  const absl::Status status = engine_->FoldNow();
  if (!status.ok()) Fail(status.ToString());
}

uint32_t ScoredRun::FirstBatch(uint32_t batch_size) {
  v1::GetBatchRequest request;
  request.set_run_uid(run_uid_);
  request.mutable_positions()->set_batch_size(batch_size);
  v1::Batch batch;
  std::promise<absl::Status> done;
  engine_->GetBatch(request, &batch, nullptr,
                    [&done](absl::Status status) { done.set_value(std::move(status)); });
  const absl::Status status = done.get_future().get();
  if (!status.ok()) Fail(status.ToString());
  return static_cast<uint32_t>(batch.indices().size() / sizeof(uint32_t));
}

}  // namespace subset::bench
