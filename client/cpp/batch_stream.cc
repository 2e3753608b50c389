#include "subset/batch_stream.h"

#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/batch_call.h"
#include "client/cpp/connection.h"

namespace subset {
namespace {

constexpr uint32_t kMaxInFlight = 1024;  // what the server accepts

// The address a batch answers must be the oldest that was asked for.
absl::Status CheckAnswers(const v1::GetBatchRequest& request, const v1::Batch& batch) {
  const bool same = batch.epoch() == request.epoch() &&
                    (request.has_leased()     ? batch.has_lease()
                     : request.has_assigned() ? batch.step() == request.assigned().step()
                                              : batch.position() == request.positions().position());
  if (same) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the server answered epoch ", batch.epoch(), " step ",
                                          batch.step(), " position ", batch.position(),
                                          " where this was asked: ", request.ShortDebugString()));
}

}  // namespace

AddressSource AssignedSteps(uint64_t run_uid, const v1::Epoch& epoch, uint32_t rank,
                            uint32_t world_size, uint64_t first_step) {
  v1::GetBatchRequest next;
  next.set_run_uid(run_uid);
  next.set_epoch(epoch.epoch());
  next.mutable_assigned()->set_rank(rank);
  next.mutable_assigned()->set_world_size(world_size);
  next.mutable_assigned()->set_step(first_step);
  return [next, num_steps = epoch.num_steps()](v1::GetBatchRequest* request) mutable {
    const uint64_t step = next.assigned().step();
    if (step >= num_steps) return false;
    *request = next;
    next.mutable_assigned()->set_step(step + 1);
    return true;
  };
}

AddressSource ConsecutivePositions(uint64_t run_uid, const v1::Epoch& epoch, uint32_t batch_size,
                                   uint64_t first_position) {
  v1::GetBatchRequest next;
  next.set_run_uid(run_uid);
  next.set_epoch(epoch.epoch());
  next.mutable_positions()->set_position(first_position);
  next.mutable_positions()->set_batch_size(batch_size);
  return [next, end = epoch.num_positions()](v1::GetBatchRequest* request) mutable {
    const uint64_t position = next.positions().position();
    if (position >= end) return false;
    *request = next;
    // A batch size of 0 is the server's to refuse, once: it must not make this endless.
    next.mutable_positions()->set_position(position +
                                           std::max<uint64_t>(next.positions().batch_size(), 1));
    return true;
  };
}

AddressSource LeasedBlocks(uint64_t run_uid, uint64_t epoch, const std::string& worker,
                           absl::Duration lease_time, uint32_t batch_size) {
  v1::GetBatchRequest next;
  next.set_run_uid(run_uid);
  next.set_epoch(epoch);
  next.mutable_leased()->set_worker(worker);
  next.mutable_leased()->set_batch_size(batch_size);
  next.mutable_leased()->mutable_lease_time()->set_seconds(absl::ToInt64Seconds(lease_time));
  next.mutable_leased()->mutable_lease_time()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(lease_time - absl::Trunc(lease_time, absl::Seconds(1)))));
  return [next](v1::GetBatchRequest* request) {
    *request = next;
    return true;
  };
}

struct BatchStream::State {
  std::shared_ptr<client_internal::Connection> connection;
  AddressSource source;
  uint32_t in_flight;

  std::deque<v1::GetBatchRequest> unanswered;  // oldest first
  bool source_ended = false;
  std::unique_ptr<client_internal::BatchCall> call;  // null: not connected
  absl::Status final_error;                          // not OK: what every Next() returns
  BatchView view;

  void Refill() {
    v1::GetBatchRequest request;
    while (!source_ended && unanswered.size() < in_flight) {
      if (source(&request)) {
        request.clear_num_batches();  // how they are asked for is up to the call
        unanswered.push_back(request);
      } else {
        source_ended = true;
      }
    }
  }

  absl::StatusOr<const BatchView*> Accept(const v1::Batch& batch) {
    final_error = CheckAnswers(unanswered.front(), batch);
    if (final_error.ok()) final_error = view.Decode(batch);
    if (!final_error.ok()) return final_error;
    unanswered.pop_front();
    return &view;
  }
};

BatchStream::BatchStream(std::shared_ptr<client_internal::Connection> connection,
                         AddressSource source, const BatchStreamOptions& options)
    : state_(new State) {
  state_->connection = std::move(connection);
  state_->source = std::move(source);
  state_->in_flight = std::clamp<uint32_t>(options.in_flight, 1, kMaxInFlight);
}

BatchStream::~BatchStream() = default;

absl::StatusOr<const BatchView*> BatchStream::Next(std::optional<absl::Duration> timeout) {
  State& state = *state_;
  if (!state.final_error.ok()) return state.final_error;
  state.Refill();
  if (state.unanswered.empty()) return static_cast<const BatchView*>(nullptr);
  const client_internal::Connection& connection = *state.connection;
  Retry retry(connection.options.retry, timeout.value_or(connection.options.default_timeout),
              connection.timing);
  while (true) {
    if (state.call == nullptr) {
      state.call = std::make_unique<client_internal::BatchCall>(connection.training.get());
    }
    const auto batch = state.call->NextAnswer(state.unanswered, retry.Remaining());
    if (batch.ok() && (*batch)->has_retry_after()) {
      // All that is left is with other workers. What else was asked has the same answer.
      state.unanswered.pop_front();
      if (!state.unanswered.empty()) continue;
      const absl::Duration wait = absl::Seconds((*batch)->retry_after().seconds()) +
                                  absl::Nanoseconds((*batch)->retry_after().nanos());
      if (wait >= retry.Remaining()) {
        return absl::DeadlineExceededError("the last blocks are with other workers");
      }
      connection.timing->Sleep(wait);
      state.Refill();
      continue;
    }
    if (batch.ok()) return state.Accept(**batch);
    if (absl::IsOutOfRange(batch.status()) && state.unanswered.front().has_leased()) {
      state.call.reset();
      state.unanswered.clear();
      state.source_ended = true;
      return static_cast<const BatchView*>(nullptr);
    }
    if (batch.status().code() == absl::StatusCode::kDeadlineExceeded && state.call->open()) {
      return batch.status();  // the call goes on; its answer is taken by the next Next()
    }
    state.call.reset();
    if (!MayBeTriedAgain(batch.status())) return state.final_error = batch.status();
    if (!retry.WaitToTryAgain(batch.status())) return batch.status();
  }
}

}  // namespace subset
