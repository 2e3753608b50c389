#include "client/cpp/epoch_reader.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "client/cpp/connection.h"
#include "client/cpp/uniform_batch.h"

namespace subset::client_internal {
namespace {

constexpr absl::Duration kUniformPatience = absl::Seconds(10);  // what a server that restarts takes
// A server that seems to be back gets a second; one that then is not, or hides behind a proxy, is
// left alone for a while, or it would slow training down.
constexpr absl::Duration kBackPatience = absl::Seconds(1);
constexpr absl::Duration kBackPause = absl::Seconds(5);

}  // namespace

EpochReader::EpochReader(std::shared_ptr<Connection> connection, const v1::Run& run,
                         const v1::Epoch& epoch, const BatchSamplerOptions& options,
                         uint64_t first_step)
    : connection_(std::move(connection)),
      run_(run),
      epoch_(epoch),
      options_(options),
      step_(first_step),
      decided_(first_step) {}

absl::StatusOr<const BatchView*> EpochReader::Next() {
  if (options_.on_outage != OnOutage::kUniform) {
    SUBSET_ASSIGN_OR_RETURN(const BatchView* batch, Stream().Next(absl::InfiniteDuration()));
    ++step_;
    return batch;
  }
  if (step_ == decided_) Decide();
  if (local_) {
    SUBSET_RETURN_IF_ERROR(
        view_.Decode(UniformBatch(run_, epoch_, step_, options_.rank, options_.world_size)));
  } else if (!ready_.empty()) {
    view_ = std::move(ready_.front());
    ready_.pop_front();
  } else {
    return error_;
  }
  ++step_;
  return &view_;
}

BatchStream& EpochReader::Stream() {
  if (stream_ == nullptr) {
    BatchStreamOptions options;
    options.in_flight = options_.in_flight;
    AddressSource steps =
        AssignedSteps(run_.uid(), epoch_, options_.rank, options_.world_size, step_);
    stream_.reset(new BatchStream(connection_, std::move(steps), options));
  }
  return *stream_;
}

void EpochReader::Decide() {
  const uint64_t block = options_.world_size == 1 ? 1 : options_.in_flight;
  const uint64_t count = std::min(block, epoch_.num_steps() - step_);
  const bool arrived = ReadAhead(count);
  const bool agreed = !options_.agree || options_.agree(arrived);
  local_ = !arrived || !agreed;
  decided_ = step_ + count;
  if (local_) {
    ready_.clear();
    error_ = absl::OkStatus();
    stream_.reset();  // the next one begins behind these steps
  }
}

bool EpochReader::ReadAhead(uint64_t count) {
  const absl::Duration now = connection_->timing->Monotonic();
  // Once away, the server is not waited for: training goes on until it is back.
  if (local_ && (now < look_again_ || !connection_->IsReachable())) return false;
  const absl::Duration patience = options_.patience.value_or(kUniformPatience);
  const absl::Duration deadline = now + (local_ ? std::min(patience, kBackPatience) : patience);
  while (ready_.size() < count) {
    const auto batch = Stream().Next(deadline - connection_->timing->Monotonic());
    if (batch.ok()) {
      ready_.push_back(**batch);
    } else if (MayBeTriedAgain(batch.status()) || absl::IsDeadlineExceeded(batch.status())) {
      if (local_) look_again_ = connection_->timing->Monotonic() + kBackPause;
      return false;
    } else {
      error_ = batch.status();
      return true;
    }
  }
  return true;
}

}  // namespace subset::client_internal
