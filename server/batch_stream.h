// One StreamBatches call: the replies that its requests ask for, in order.

#ifndef SUBSET_SERVER_BATCH_STREAM_H_
#define SUBSET_SERVER_BATCH_STREAM_H_

#include <array>
#include <deque>
#include <unordered_set>

#include "base/mutex.h"
#include "server/batch_message.h"
#include "server/rpc.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset {

class BatchStream;

// The streams of a server that are open, so that a drain can end them. Thread-safe.
class BatchStreams {
 public:
  // Returns false, and forgets the stream, if Stop was called.
  bool Add(BatchStream* stream);
  void Remove(BatchStream* stream);
  // Calls Stop of every stream; streams that come later are refused.
  void Stop();

 private:
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::unordered_set<BatchStream*> streams_ ABSL_GUARDED_BY(mu_);
};

// Requests are read ahead, up to kMaxOutstanding batches; replies are drawn ahead of the one being
// written, up to kSlots, so that drawing and sending overlap and a reader that stops costs four
// batches. Messages and arrays are used again. Small batches are drawn until they fill what gRPC
// sends at once, where as many are asked for: a system call, and the waking of the client, cost as
// much as drawing.
//
// Reactions come on any of gRPC's threads and draws end on any of the engine's. Each only notes
// what happened and calls Pump. One thread at a time draws, and one at a time starts reads and
// writes; what another thread notes meanwhile, it sees before it leaves. So a thread that a message
// has woken moves messages while another draws. Deletes itself when gRPC is done with it.
// Writes serialized subset.v1.Batch messages.
class BatchStream final : public grpc::ServerBidiReactor<v1::GetBatchRequest, grpc::ByteBuffer> {
 public:
  static constexpr size_t kMaxOutstanding = 1024;  // batches

  BatchStream(const ServiceParts& parts, BatchStreams* streams,
              grpc::CallbackServerContext* context);

  // Reads no more, answers what was read, ends with kUnavailable (reason DRAINING).
  void Stop();

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  enum class SlotState { kFree, kDrawing, kReady, kWriting };
  struct Slot {
    SlotState state = SlotState::kFree;
    v1::GetBatchRequest request;
    v1::Batch batch;
    grpc::ByteBuffer message;  // of the batch
  };
  enum class Step { kNothing, kRead, kWrite, kDraw, kFinish };
  static constexpr size_t kSlots = 4;
  static constexpr size_t kSentAtOnce = 64 << 10;  // bytes: gRPC's write buffer

  // Does whatever can be done now; releases mu_. The stream may be gone afterwards.
  void Pump() ABSL_UNLOCK_FUNCTION(mu_);
  // Decides, and marks as begun, the next step of a thread that has, or has not, begun a write.
  Step NextStep(bool wrote) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool CanDraw() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether a reply follows the one that is being written at once.
  bool MoreFollows() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes the next batch that was asked for off requests_: a request for it alone.
  v1::GetBatchRequest TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void OnDrawn(Slot& slot, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  // The first error decides the status; what was asked and not yet drawn is dropped.
  void Fail(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Constant after construction.
  const ServiceParts parts_;
  BatchStreams* const streams_;
  const BatchMessages messages_;
  grpc::CallbackServerContext* const context_;

  Rpc rpc_;                           // ended by the thread that finishes
  v1::GetBatchRequest next_request_;  // belongs to gRPC while reading_
  std::array<Slot, kSlots> slots_;    // contents belong to whoever `state` says; state is under mu_

  Mutex mu_;
  // Guarded by mu_.
  std::deque<v1::GetBatchRequest> requests_ ABSL_GUARDED_BY(mu_);  // read, not yet drawn
  size_t waiting_ ABSL_GUARDED_BY(mu_) = 0;                        // batches that they ask for
  size_t ready_bytes_ ABSL_GUARDED_BY(mu_) = 0;                    // of replies not yet written
  size_t draw_slot_ ABSL_GUARDED_BY(mu_) = 0;                      // the next to draw into
  size_t write_slot_ ABSL_GUARDED_BY(mu_) = 0;                     // the next to write
  size_t busy_slots_ ABSL_GUARDED_BY(mu_) = 0;
  bool begun_ ABSL_GUARDED_BY(mu_) = false;    // a reply, with the headers, has been written
  bool moving_ ABSL_GUARDED_BY(mu_) = false;   // a thread is starting a read or a write
  bool drawing_ ABSL_GUARDED_BY(mu_) = false;  // a thread is in DrawBatch
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool no_more_reads_ ABSL_GUARDED_BY(mu_) = false;  // the client is done, or gone
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_SERVER_BATCH_STREAM_H_
