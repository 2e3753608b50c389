#include "client/cpp/batch_call.h"

#include <algorithm>

#include "client/cpp/connection.h"
#include "client/cpp/status.h"

namespace subset::client_internal {
namespace {

constexpr size_t kMaxBatches = 64;  // of one request: what the server accepts

// Whether `next` asks for what comes after `request`.
bool Follows(const v1::GetBatchRequest& request, v1::GetBatchRequest next) {
  if (next.has_assigned()) {
    next.mutable_assigned()->set_step(next.assigned().step() - 1);
  } else if (next.has_positions()) {
    v1::GetBatchRequest::Positions& positions = *next.mutable_positions();
    positions.set_position(positions.position() - positions.batch_size());
  }
  return next.SerializeAsString() == request.SerializeAsString();
}

// One request for as many of the unanswered ones, from `first` on, as one can ask for.
v1::GetBatchRequest Together(const std::deque<v1::GetBatchRequest>& unanswered, size_t first) {
  size_t last = first;
  while (last + 1 < unanswered.size() && last + 1 < first + kMaxBatches &&
         Follows(unanswered[last], unanswered[last + 1])) {
    ++last;
  }
  v1::GetBatchRequest request = unanswered[first];
  request.set_num_batches(static_cast<uint32_t>(last + 1 - first));
  return request;
}

}  // namespace

BatchCall::BatchCall(v1::TrainingService::Stub* stub)
    : stream_(stub->PrepareAsyncStreamBatches(&context_, &queue_)) {
  stream_->StartCall(Begin(kStart));
}

BatchCall::~BatchCall() {
  if (!finished_) {
    context_.TryCancel();
    Finish().IgnoreError();
  }
  queue_.Shutdown();
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) {
  }
}

void* BatchCall::Begin(Event event) {
  under_way_[event] = true;
  return Tag(event);
}

void BatchCall::StartOperations(const std::deque<v1::GetBatchRequest>& unanswered) {
  if (!started_) return;
  // Half of them at a time: a request costs about as much as an answer.
  const size_t unsent = unanswered.size() - sent_;
  if (!under_way_[kWrite] && !write_failed_ && unsent > 0 && 2 * unsent >= unanswered.size()) {
    const v1::GetBatchRequest request = Together(unanswered, sent_);
    sent_ += request.num_batches();
    stream_->Write(request, Begin(kWrite));
  }
  if (!under_way_[kRead]) stream_->Read(&answer_, Begin(kRead));
}

absl::StatusOr<const v1::Batch*> BatchCall::NextAnswer(
    const std::deque<v1::GetBatchRequest>& unanswered, absl::Duration timeout) {
  const auto deadline = DeadlineAfter(timeout);
  while (true) {
    StartOperations(unanswered);
    void* tag;
    bool ok;
    if (queue_.AsyncNext(&tag, &ok, deadline) != grpc::CompletionQueue::GOT_EVENT) {
      return absl::DeadlineExceededError("no batch within the timeout");
    }
    const auto event = static_cast<Event>(reinterpret_cast<intptr_t>(tag));
    under_way_[event] = false;
    if (!ok && event == kWrite) {
      write_failed_ = true;  // the server has ended the call; answers before that still stand
      continue;
    }
    if (!ok) {
      const absl::Status status = Finish();
      if (!status.ok()) return status;
      // All was well for the server, but requests are unanswered: it is going away.
      return absl::UnavailableError("the server ended the stream before its last answer");
    }
    if (event == kStart) started_ = true;
    if (event == kRead) {
      if (sent_ == 0) {
        context_.TryCancel();
        Finish().IgnoreError();
        return absl::InternalError("the server sent a batch nobody asked for");
      }
      --sent_;
      return &answer_;
    }
  }
}

absl::Status BatchCall::Finish() {
  open_ = false;
  finished_ = true;
  void* tag;
  bool ok;
  const auto pending = [this] {
    return std::any_of(under_way_, under_way_ + kNumEvents,
                       [](bool under_way) { return under_way; });
  };
  while (pending() && queue_.Next(&tag, &ok)) {
    under_way_[static_cast<Event>(reinterpret_cast<intptr_t>(tag))] = false;
  }
  grpc::Status status;
  stream_->Finish(&status, Begin(kFinish));
  while (pending() && queue_.Next(&tag, &ok)) {
    under_way_[static_cast<Event>(reinterpret_cast<intptr_t>(tag))] = false;
  }
  return FromGrpc(status);
}

}  // namespace subset::client_internal
