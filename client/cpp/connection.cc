#include "client/cpp/connection.h"

#include <chrono>

namespace subset::client_internal {

Connection::Connection(std::shared_ptr<grpc::Channel> channel_in, const ClientOptions& options_in)
    : options(options_in),
      timing(options_in.timing != nullptr ? options_in.timing : RetryTiming::Real()),
      channel(std::move(channel_in)),
      datasets(v1::DatasetService::NewStub(channel)),
      samplers(v1::SamplerService::NewStub(channel)),
      training(v1::TrainingService::NewStub(channel)),
      health(grpc::health::v1::Health::NewStub(channel)) {}

std::chrono::system_clock::time_point DeadlineAfter(absl::Duration duration) {
  // gRPC counts in nanoseconds; a year is as good as for ever and cannot overflow.
  if (duration > absl::Hours(24 * 365)) return std::chrono::system_clock::time_point::max();
  return std::chrono::system_clock::now() +
         absl::ToChronoMicroseconds(duration < absl::ZeroDuration() ? absl::ZeroDuration()
                                                                    : duration);
}

}  // namespace subset::client_internal
