// Many batches over one stream, with requests in flight.

#ifndef SUBSET_BATCH_STREAM_H_
#define SUBSET_BATCH_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "subset/batch_view.h"
#include "subset/v1/training.pb.h"

namespace subset {

namespace client_internal {
struct Connection;
class EpochReader;
}  // namespace client_internal

// Fills in the address of the next batch (num_batches does not count) and returns true, or returns
// false when there is none left.
using AddressSource = std::function<bool(v1::GetBatchRequest* request)>;

// The share of `rank` in the steps first_step, first_step + 1, ... of an open epoch.
AddressSource AssignedSteps(uint64_t run_uid, const v1::Epoch& epoch, uint32_t rank = 0,
                            uint32_t world_size = 1, uint64_t first_step = 0);

// Consecutive positions of an open epoch, `batch_size` at a time.
AddressSource ConsecutivePositions(uint64_t run_uid, const v1::Epoch& epoch, uint32_t batch_size,
                                   uint64_t first_position = 0);

// The blocks of an epoch that nobody has, as long as there are any: leased delivery. Next() waits
// where all that is left is with other workers, and returns null when the epoch is complete.
// `batch_size` 0: the run's global batch size. Every request in flight holds a lease.
AddressSource LeasedBlocks(uint64_t run_uid, uint64_t epoch, const std::string& worker,
                           absl::Duration lease_time = absl::Seconds(60), uint32_t batch_size = 0);

struct BatchStreamOptions {
  uint32_t in_flight = 8;  // batches asked for ahead, [1, 1024]; values outside are brought inside
};

// Not thread-safe: one thread calls Next(). Has no thread of its own; the server works ahead on
// the requests in flight while the caller trains.
class BatchStream {
 public:
  ~BatchStream();
  BatchStream(const BatchStream&) = delete;
  BatchStream& operator=(const BatchStream&) = delete;

  // Returns the batches in the order of their addresses, each once, then null. The view is valid
  // until the next call. When the server cannot be reached the addresses not yet answered are asked
  // again on a new stream, as RetryOptions says; attempts are counted anew after every batch.
  // kDeadlineExceeded (no batch within `timeout`; unset: default_timeout) and kUnavailable (the
  // attempts are used up) lose nothing: calling again continues. Any other error is GetBatch's for
  // the address in question, and stays.
  absl::StatusOr<const BatchView*> Next(std::optional<absl::Duration> timeout = {});

 private:
  friend class Client;
  friend class client_internal::EpochReader;

  BatchStream(std::shared_ptr<client_internal::Connection> connection, AddressSource source,
              const BatchStreamOptions& options);

  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace subset

#endif  // SUBSET_BATCH_STREAM_H_
