#include "server/batch_stream.h"

#include <algorithm>
#include <utility>

#include "engine/batch.h"
#include "server/batch_draw.h"

namespace subset {
namespace {

constexpr size_t kMaxRequestBytes = 1024;  // far above any request of ours

// How many batches a request asks for. One that asks for too many is drawn as it is, and refused.
uint32_t CountOf(const v1::GetBatchRequest& request) {
  const uint32_t count = request.num_batches();
  return count <= kMaxBatchesAsked ? std::max<uint32_t>(count, 1) : 1;
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

}  // namespace

bool BatchStreams::Add(BatchStream* stream) {
  MutexLock lock(&mu_);
  if (!stopped_) streams_.insert(stream);
  return !stopped_;
}

void BatchStreams::Remove(BatchStream* stream) {
  MutexLock lock(&mu_);
  streams_.erase(stream);
}

void BatchStreams::Stop() {
  MutexLock lock(&mu_);  // held, so that no stream ends while it is told
  stopped_ = true;
  for (BatchStream* stream : streams_) stream->Stop();
}

BatchStream::BatchStream(const ServiceParts& parts, BatchStreams* streams,
                         grpc::CallbackServerContext* context)
    : parts_(parts), streams_(streams), context_(context), rpc_(parts, Method::kStreamBatches) {
  parts_.metrics->StreamOpened();
  absl::Status admitted = rpc_.Admit(*context);
  if (!streams_->Add(this)) admitted.Update(Draining());
  mu_.Lock();
  Fail(std::move(admitted));
  Pump();
}

void BatchStream::Stop() {
  mu_.Lock();
  stopping_ = true;
  Pump();
}

void BatchStream::OnReadDone(bool ok) {
  if (ok) {
    rpc_.metrics().Received();
    // Fields we do not know must not fill the memory of a stream's backlog.
    if (next_request_.ByteSizeLong() > kMaxRequestBytes) next_request_.DiscardUnknownFields();
  }
  mu_.Lock();
  reading_ = false;
  if (!ok) {
    no_more_reads_ = true;
  } else if (status_.ok()) {
    waiting_ += CountOf(next_request_);
    requests_.push_back(std::move(next_request_));
  }
  Pump();
}

void BatchStream::OnWriteDone(bool ok) {
  if (ok) rpc_.metrics().Sent();
  mu_.Lock();
  slots_[write_slot_].state = SlotState::kFree;
  write_slot_ = (write_slot_ + 1) % kSlots;
  --busy_slots_;
  begun_ = true;
  if (!ok) Fail(absl::CancelledError("the client has gone"));
  Pump();
}

void BatchStream::OnCancel() {
  mu_.Lock();
  Fail(absl::CancelledError("the call was cancelled"));
  Pump();
}

void BatchStream::OnDone() {
  streams_->Remove(this);
  parts_.metrics->StreamClosed();
  delete this;
}

void BatchStream::OnDrawn(Slot& slot, absl::Status status) {
  if (status.ok()) slot.message = messages_.Encode(&slot.batch);
  mu_.Lock();
  if (status.ok()) {
    slot.state = SlotState::kReady;
    ready_bytes_ += slot.message.Length();
    draw_slot_ = (draw_slot_ + 1) % kSlots;
  } else {
    slot.state = SlotState::kFree;
    --busy_slots_;
    Fail(std::move(status));
  }
  Pump();
}

void BatchStream::Fail(absl::Status status) {
  status_.Update(std::move(status));
  if (status_.ok()) return;
  requests_.clear();
  waiting_ = 0;
}

v1::GetBatchRequest BatchStream::TakeNext() {
  v1::GetBatchRequest& front = requests_.front();
  --waiting_;
  v1::GetBatchRequest next;
  if (const uint32_t count = CountOf(front); count > 1) {
    next = front;
    next.clear_num_batches();
    front.set_num_batches(count - 1);
    Advance(&front);
  } else {
    next = std::move(front);
    requests_.pop_front();
  }
  return next;
}

bool BatchStream::CanDraw() const {
  return !drawing_ && !requests_.empty() && slots_[draw_slot_].state == SlotState::kFree;
}

bool BatchStream::MoreFollows() const {
  // Not of the first: gRPC would hold the headers back with it, until it sends something else (seen
  // with 1.51: up to a second).
  return begun_ && slots_[(write_slot_ + 1) % kSlots].state == SlotState::kReady;
}

BatchStream::Step BatchStream::NextStep(bool wrote) {
  // gRPC mostly has the end of a write as soon as it is begun. Where the thread that began it goes
  // on to draw, another is woken for that.
  const bool writing = slots_[write_slot_].state == SlotState::kWriting;
  const bool may_draw = CanDraw() && !(wrote && writing);
  if (!moving_) {
    if (!reading_ && !no_more_reads_ && !stopping_ && status_.ok() &&
        waiting_ + busy_slots_ < kMaxOutstanding) {
      moving_ = reading_ = true;
      return Step::kRead;
    }
    Slot& slot = slots_[write_slot_];
    if (slot.state == SlotState::kReady && !(may_draw && ready_bytes_ < kSentAtOnce)) {
      moving_ = true;
      slot.state = SlotState::kWriting;
      ready_bytes_ -= slot.message.Length();
      return Step::kWrite;
    }
  }
  if (may_draw) {
    drawing_ = true;
    Slot& slot = slots_[draw_slot_];
    slot.state = SlotState::kDrawing;
    slot.request = TakeNext();
    ++busy_slots_;
    return Step::kDraw;
  }
  if (drawing_) return Step::kNothing;
  const bool over = !status_.ok() || no_more_reads_ || stopping_;
  if (over && !moving_ && requests_.empty() && busy_slots_ == 0) {
    moving_ = drawing_ = true;  // for ever: whoever comes now finds nothing to do
    return Step::kFinish;
  }
  return Step::kNothing;
}

void BatchStream::Pump() {
  bool wrote = false;
  for (;;) {
    const Step step = NextStep(wrote);
    Slot& to_write = slots_[write_slot_];
    Slot& to_draw = slots_[draw_slot_];
    if (step == Step::kNothing) {
      mu_.Unlock();
      return;
    }
    if (step == Step::kFinish) {
      if (stopping_ && !no_more_reads_) status_.Update(Draining());
      const grpc::Status status = rpc_.End(status_);
      mu_.Unlock();
      Finish(status);
      return;
    }
    const bool more_follows = MoreFollows();
    mu_.Unlock();
    switch (step) {
      case Step::kRead:
        StartRead(&next_request_);
        break;
      case Step::kWrite:
        StartWrite(&to_write.message,
                   more_follows ? grpc::WriteOptions().set_buffer_hint() : grpc::WriteOptions());
        wrote = true;
        break;
      default:
        to_draw.message.Clear();  // its arrays, sent, are free for this draw
        messages_.Clear(&to_draw.batch);
        DrawBatch(parts_, to_draw.request, &to_draw.batch, CancelledBy(context_),
                  [this, &to_draw](absl::Status status) { OnDrawn(to_draw, std::move(status)); });
        break;
    }
    mu_.Lock();
    (step == Step::kDraw ? drawing_ : moving_) = false;
  }
}

}  // namespace subset
