#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "subset/v1/training.grpc.pb.h"
#include "tests/client/detailed_error.h"
#include "tests/client/fake_batch.h"
#include "tests/client/fake_method.h"
#include "tests/client/fake_services.h"

namespace subset {
namespace {

constexpr uint64_t kEpochPositions = 20;

grpc::Status Answer(const v1::GetBatchRequest& request, v1::Batch* batch) {
  const bool assigned = request.has_assigned();
  const uint64_t position =
      assigned ? request.assigned().step() * 4 : request.positions().position();
  if (position >= kEpochPositions) {
    return DetailedError(
        grpc::StatusCode::OUT_OF_RANGE,
        absl::StrCat("position ", position, " is past the epoch's ", kEpochPositions, " positions"),
        "", "EPOCH_END");
  }
  const uint64_t asked = assigned ? 4 : request.positions().batch_size();
  *batch = FakeBatch(request.epoch(), position,
                     static_cast<uint32_t>(std::min(asked, kEpochPositions - position)));
  if (assigned) batch->set_step(request.assigned().step());
  return grpc::Status::OK;
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

class FakeTrainingService final : public v1::TrainingService::Service {
 public:
  explicit FakeTrainingService(FakeState* state) : state_(state) {}

  SUBSET_FAKE_METHOD(CreateRun, Run) {
    v1::Run& run = state_->runs[request.name()];
    run.set_name(request.name());
    run.set_uid(9);
    run.set_sampler(request.sampler());
    run.set_num_samples(100);
    run.set_seed(request.seed());
    run.set_global_batch_size(request.global_batch_size());
    run.set_drop_last(request.drop_last());
    *run.mutable_feedback_timeout() = request.feedback_timeout();
    *run.mutable_create_time() = FixedTime();
    *response = run;
    return grpc::Status::OK;
  }
  SUBSET_FAKE_METHOD(GetRun, Run) {
    return GetNamed(state_->runs, "run", request.name(), response);
  }
  SUBSET_FAKE_METHOD(ListRuns, ListRunsResponse) {
    return ListAll(state_->runs, [&] { return response->add_runs(); });
  }
  SUBSET_FAKE_METHOD(DeleteRun, DeleteRunResponse) {
    return DeleteNamed(state_->runs, "run", request.name());
  }
  SUBSET_FAKE_METHOD(OpenEpoch, Epoch) {
    response->set_epoch(request.epoch());
    response->set_sampler_version(1);
    response->set_opened(request.now() ? v1::Epoch::EXPLICIT : v1::Epoch::FIRST);
    *response->mutable_open_time() = FixedTime();
    response->set_num_positions(kEpochPositions);
    response->set_num_steps(kEpochPositions / 4);
    response->set_distinct_samples(kEpochPositions);
    response->set_effective_sample_ratio(0.75);
    for (auto& [name, run] : state_->runs) {
      run.clear_epochs();
      *run.add_epochs() = *response;
    }
    return grpc::Status::OK;
  }
  SUBSET_FAKE_METHOD(GetBatch, Batch) { return Answer(request, response); }
  SUBSET_FAKE_METHOD(OpenSession, OpenSessionResponse) {
    response->set_session_id(11 + state_->sessions++);
    return grpc::Status::OK;
  }
  SUBSET_FAKE_METHOD(ReportFeedback, ReportFeedbackResponse) {
    response->set_duplicate(
        !state_->sequences.insert({request.session_id(), request.sequence()}).second);
    response->set_durability(request.durability());
    for (const v1::Feedback& feedback : request.feedback()) {
      response->set_applied_items(response->applied_items() +
                                  static_cast<uint32_t>(feedback.indices().size() / 4));
    }
    if (!response->duplicate()) state_->reports.push_back(request);
    response->mutable_score_version()->set_incarnation(1);
    response->mutable_score_version()->set_records(state_->reports.size());
    return grpc::Status::OK;
  }

  grpc::Status StreamBatches(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::Batch, v1::GetBatchRequest>* stream) override {
    int answers_left = -1;  // for ever
    grpc::Status end;
    size_t number;
    {
      MutexLock lock(&state_->mu);
      number = state_->streams.size();
      state_->streams.emplace_back();
      if (grpc::Status failure = state_->Arrive("StreamBatches"); !failure.ok()) return failure;
      if (!state_->stream_ends.empty()) {
        std::tie(answers_left, end) = state_->stream_ends.front();
        state_->stream_ends.pop_front();
      }
    }
    v1::GetBatchRequest request;
    while (answers_left != 0 && stream->Read(&request)) {
      const uint32_t num_batches = std::max<uint32_t>(request.num_batches(), 1);
      request.clear_num_batches();
      {
        MutexLock lock(&state_->mu);
        ++state_->stream_requests;
      }
      for (uint32_t k = 0; k < num_batches && answers_left != 0; ++k) {
        v1::Batch batch;
        {
          MutexLock lock(&state_->mu);
          state_->streams[number].push_back(request);
          while (state_->held && !context->IsCancelled()) {
            state_->released.WaitWithTimeout(&state_->mu, absl::Milliseconds(10));
          }
          if (grpc::Status failed = Answer(request, &batch); !failed.ok()) return failed;
        }
        if (!stream->Write(batch)) return grpc::Status::CANCELLED;
        if (answers_left > 0) --answers_left;
        Advance(&request);
      }
    }
    return end;
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewFakeTrainingService(FakeState* state) {
  return std::make_unique<FakeTrainingService>(state);
}

}  // namespace subset
