// The batches of one rank, epoch after epoch, with a place that can be saved.

#ifndef SUBSET_BATCH_SAMPLER_H_
#define SUBSET_BATCH_SAMPLER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "subset/batch_view.h"
#include "subset/saved_state.h"
#include "subset/v1/training.pb.h"

namespace subset {

namespace client_internal {
struct Connection;
class EpochReader;
}  // namespace client_internal

// What follows when the server stays away for the patience in the middle of an epoch.
enum class OnOutage {
  // kUnavailable, with the last error; after 8 minutes by default, below the 10 after which process
  // groups give up. Asked again, the same batches follow once the server is back.
  kWait,
  // Uniform batches drawn here from the run's seed, until the server is back: the steps they stand
  // for are not drawn again. BatchView::fallback() says which. After 10 s by default.
  kUniform,
  // As kWait, at once by default.
  kRaise,
};

struct BatchSamplerOptions {
  uint32_t rank = 0;
  uint32_t world_size = 1;
  uint32_t in_flight = 8;  // steps asked ahead, [1, 1024]

  OnOutage on_outage = OnOutage::kWait;
  std::optional<absl::Duration> patience;  // since the first failure; unset: as above
  // Of kUniform: returns, on every rank alike, whether `arrived` was true on every rank (such as a
  // minimum over the process group). Called by all ranks at the same steps: once per in_flight of
  // them, once per step where there is one rank, which may leave it out.
  std::function<bool(bool arrived)> agree;
};

// Get one from Client::MakeBatchSampler. Not thread-safe; has no thread of its own.
class BatchSampler {
 public:
  ~BatchSampler();
  BatchSampler(const BatchSampler&) = delete;
  BatchSampler& operator=(const BatchSampler&) = delete;

  // Returns the share of the rank in the next step, valid until the next call; null after an
  // epoch's last, and then the next epoch follows. Opens the epochs, which may wait for the run's
  // feedback_timeout, and which needs the server: kUniform waits 8 minutes for it there. Errors
  // lose nothing, calling again continues: kUnavailable (the server stays away);
  // kFailedPrecondition (kUniform of a sampler that leaves samples out); kOutOfRange (a loaded
  // place past the end of its epoch); else those of OpenEpoch and GetBatch.
  absl::StatusOr<const BatchView*> Next();

  // The epoch of the next batch.
  uint64_t epoch() const { return Following(place_).epoch; }

  // Goes to the beginning of `epoch`, unless the next batch is of that epoch already.
  void SetEpoch(uint64_t epoch);

  // Where training stands: after the last batch given out (whatever is asked ahead), or after one
  // given out before. Local.
  std::string State() const { return MakeState(run_, Following(place_)); }
  std::string State(const BatchView& after) const;

  // Goes to where a state stood, at any world size. After a rollback, which takes batches back,
  // load one too. Errors: as ReadState; then nothing changes. Local.
  absl::Status LoadState(absl::string_view state);

  // Batches given out so far that were drawn here.
  uint64_t fallback_batches() const { return fallback_batches_; }

 private:
  friend class Client;
  static absl::StatusOr<std::unique_ptr<BatchSampler>> Create(
      const client_internal::Connection& connection, v1::Run run, BatchSamplerOptions options);
  BatchSampler(std::shared_ptr<client_internal::Connection> connection, v1::Run run,
               BatchSamplerOptions options);

  // After an epoch's last step comes the next epoch, as far as the epoch's length is known.
  Place Following(Place place) const;
  absl::Status Open();
  absl::Status Begin();

  // Constant after construction.
  const std::shared_ptr<client_internal::Connection> connection_;  // with retries of its own
  const v1::Run run_;
  const BatchSamplerOptions options_;

  Place place_;                                           // of the next batch
  std::optional<v1::Epoch> opened_;                       // the last
  std::unique_ptr<client_internal::EpochReader> reader_;  // null: to be made at place_
  uint64_t fallback_batches_ = 0;
};

}  // namespace subset

#endif  // SUBSET_BATCH_SAMPLER_H_
