// The batches of one rank over one epoch, from the server or, while it is away, drawn here.

#ifndef SUBSET_CLIENT_CPP_EPOCH_READER_H_
#define SUBSET_CLIENT_CPP_EPOCH_READER_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "subset/batch_sampler.h"
#include "subset/batch_stream.h"
#include "subset/batch_view.h"
#include "subset/v1/training.pb.h"

namespace subset::client_internal {

// Not thread-safe.
class EpochReader {
 public:
  // `connection`: its retries are the policy's. `run`, `epoch` and `options` must outlive this.
  EpochReader(std::shared_ptr<Connection> connection, const v1::Run& run, const v1::Epoch& epoch,
              const BatchSamplerOptions& options, uint64_t first_step);

  // Returns the share in the next step, valid until the next call. REQUIRES: there is one more.
  // Errors: as BatchStream::Next().
  absl::StatusOr<const BatchView*> Next();

 private:
  BatchStream& Stream();
  // Settles for the next steps, alike on all ranks, whether the server gives them or they are drawn
  // here.
  void Decide();
  // Whether the server's next `count` batches, or the error that ends them, are here in time.
  bool ReadAhead(uint64_t count);

  // Constant after construction.
  const std::shared_ptr<Connection> connection_;
  const v1::Run& run_;
  const v1::Epoch& epoch_;
  const BatchSamplerOptions& options_;

  uint64_t step_;                        // the next
  std::unique_ptr<BatchStream> stream_;  // null: to be made where it is needed
  // Of OnOutage::kUniform.
  uint64_t decided_;             // the first step not decided
  bool local_ = false;           // the steps before that are drawn here
  absl::Duration look_again_;    // for a server that seemed to be back and was not; monotonic
  std::deque<BatchView> ready_;  // else they are these, and then
  absl::Status error_;           // this, if not OK
  BatchView view_;
};

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_EPOCH_READER_H_
