#include "client/cpp/connection.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>

namespace subset::client_internal {
namespace {

// Lists of datasets, samplers and runs may pass gRPC's default of 4 MiB.
constexpr int kMaxReceiveBytes = 64 << 20;

constexpr uint64_t kBytesPerExtraSecond = uint64_t{4} << 20;

// Connecting is tried again at this pace whatever Retry does, so that a server that came back is
// noticed within max_backoff and this.
constexpr int kFirstReconnectMs = 100;
constexpr int kLastReconnectMs = 500;
// What gRPC calls the least backoff is how long one attempt to connect may take: on a busy machine
// the handshake alone may need a second.
constexpr int kConnectTimeoutMs = 5000;

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(
      std::clamp<int64_t>(absl::ToInt64Milliseconds(duration), 1, std::numeric_limits<int>::max()));
}

// gRPC gets on with connecting only while somebody waits for it, but for a look every five seconds:
// sleeps wait for the channel, and end when a server that was away is back.
class WatchfulTiming final : public RetryTiming {
 public:
  explicit WatchfulTiming(grpc::Channel* channel) : channel_(channel) {}

  absl::Duration Monotonic() override { return Real()->Monotonic(); }
  double Uniform() override { return Real()->Uniform(); }
  void Sleep(absl::Duration duration) override {
    const auto end = DeadlineAfter(duration);
    grpc_connectivity_state state = channel_->GetState(/*try_to_connect=*/true);
    const bool was_away = state != GRPC_CHANNEL_READY;
    while (channel_->WaitForStateChange(state, end)) {
      state = channel_->GetState(/*try_to_connect=*/true);
      if (was_away && state == GRPC_CHANNEL_READY) return;
    }
  }

 private:
  grpc::Channel* const channel_;
};

}  // namespace

grpc::ChannelArguments ChannelArgumentsFor(const ClientOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // Retry alone decides what is tried again
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return arguments;
}

Connection::Connection(std::shared_ptr<grpc::Channel> channel_in, const ClientOptions& options_in)
    : options(options_in),
      channel(std::move(channel_in)),
      own_timing(std::make_unique<WatchfulTiming>(channel.get())),
      timing(options_in.timing != nullptr ? options_in.timing : own_timing.get()),
      datasets(v1::DatasetService::NewStub(channel)),
      samplers(v1::SamplerService::NewStub(channel)),
      training(v1::TrainingService::NewStub(channel)),
      health(grpc::health::v1::Health::NewStub(channel)) {}

bool Connection::IsReachable() const {
  const auto end = DeadlineAfter(absl::Milliseconds(1));
  while (true) {
    const grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
    if (state == GRPC_CHANNEL_READY) return true;
    if (!channel->WaitForStateChange(state, end)) return false;
  }
}

absl::Duration UploadTimeout(const Connection& connection, uint64_t bytes) {
  return connection.options.default_timeout +
         absl::Seconds(static_cast<int64_t>(bytes / kBytesPerExtraSecond));
}

std::chrono::system_clock::time_point DeadlineAfter(absl::Duration duration) {
  // gRPC counts in nanoseconds; a year is as good as for ever and cannot overflow.
  if (duration > absl::Hours(24 * 365)) return std::chrono::system_clock::time_point::max();
  return std::chrono::system_clock::now() +
         absl::ToChronoMicroseconds(duration < absl::ZeroDuration() ? absl::ZeroDuration()
                                                                    : duration);
}

}  // namespace subset::client_internal
