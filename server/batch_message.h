// Batches as they go on the wire, their arrays neither copied nor zeroed.

#ifndef SUBSET_SERVER_BATCH_MESSAGE_H_
#define SUBSET_SERVER_BATCH_MESSAGE_H_

#include <grpcpp/support/byte_buffer.h>

#include <memory>

#include "subset/v1/training.pb.h"

namespace subset {

// Encodes the batches of one stream. gRPC gets the memory that a batch was drawn into, and when it
// has sent it, a later batch is drawn into it. Thread-safe; messages may outlive it.
class BatchMessages {
 public:
  BatchMessages();

  // Clears `batch` for the next draw, but for leftovers in its indices (Engine::GetBatch): the next
  // ones, mostly as many, are written over them instead of over zeros.
  void Clear(v1::Batch* batch) const;

  // Returns `batch` serialized. Takes its large arrays, so that only Clear may follow.
  grpc::ByteBuffer Encode(v1::Batch* batch) const;

 private:
  class Arrays;

  const std::shared_ptr<Arrays> arrays_;
};

}  // namespace subset

#endif  // SUBSET_SERVER_BATCH_MESSAGE_H_
