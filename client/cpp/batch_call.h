// One StreamBatches call, from its start to its end.

#ifndef SUBSET_CLIENT_CPP_BATCH_CALL_H_
#define SUBSET_CLIENT_CPP_BATCH_CALL_H_

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_stream.h>

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset::client_internal {

// Not thread-safe. Uses gRPC's completion queue, so that waiting for an answer can be given up
// without giving up the call.
class BatchCall {
 public:
  // Starts the call; does not wait. `stub` must outlive this.
  explicit BatchCall(v1::TrainingService::Stub* stub);
  // Cancels the call.
  ~BatchCall();
  BatchCall(const BatchCall&) = delete;
  BatchCall& operator=(const BatchCall&) = delete;

  // Asks for those of `unanswered` that this call has not asked for yet, once they are half of
  // them, several in one request where they follow each other, and returns the answer to the first.
  // Between calls the caller takes answered requests from the front and adds at the back. The batch
  // is valid until the next call. Returns kDeadlineExceeded with open() still true when `timeout`
  // passes; otherwise the error that ended the call.
  absl::StatusOr<const v1::Batch*> NextAnswer(const std::deque<v1::GetBatchRequest>& unanswered,
                                              absl::Duration timeout);

  // False once the call has ended: then it gives no more answers.
  bool open() const { return open_; }

 private:
  enum Event : int { kStart, kWrite, kRead, kFinish, kNumEvents };

  static void* Tag(Event event) { return reinterpret_cast<void*>(static_cast<intptr_t>(event)); }

  // Starts an operation's bookkeeping and returns its tag.
  void* Begin(Event event);
  // Starts what can be started now: one write and one read at a time.
  void StartOperations(const std::deque<v1::GetBatchRequest>& unanswered);
  // Waits for all operations under way, then for the status. Cancel before, unless the server has
  // ended the call.
  absl::Status Finish();

  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::GetBatchRequest, v1::Batch>> stream_;
  bool under_way_[kNumEvents] = {};
  bool open_ = true;
  bool started_ = false;
  bool write_failed_ = false;
  bool finished_ = false;  // Finish() was called
  size_t sent_ = 0;        // of the unanswered, how many this call has asked for
  v1::Batch answer_;
};

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_BATCH_CALL_H_
