// What a client, its streams and its sessions share.

#ifndef SUBSET_CLIENT_CPP_CONNECTION_H_
#define SUBSET_CLIENT_CPP_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "client/cpp/retry.h"
#include "client/cpp/status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "subset/client.h"
#include "subset/v1/dataset.grpc.pb.h"
#include "subset/v1/sampler.grpc.pb.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset::client_internal {

// Thread-safe; constant after construction.
struct Connection {
  Connection(std::shared_ptr<grpc::Channel> channel, const ClientOptions& options);

  // Whether the channel is connected, or becomes so within a millisecond. Where it is not, this is
  // also what makes gRPC get on with connecting.
  bool IsReachable() const;

  const ClientOptions options;
  const std::shared_ptr<grpc::Channel> channel;
  // Unless the options have one: sleeps end early when the channel connects.
  const std::unique_ptr<RetryTiming> own_timing;
  RetryTiming* const timing;
  const std::unique_ptr<v1::DatasetService::Stub> datasets;
  const std::unique_ptr<v1::SamplerService::Stub> samplers;
  const std::unique_ptr<v1::TrainingService::Stub> training;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

// How a client's channel connects, stays connected and connects again.
grpc::ChannelArguments ChannelArgumentsFor(const ClientOptions& options);

// Returns a point on gRPC's clock; an infinite duration gives no deadline.
std::chrono::system_clock::time_point DeadlineAfter(absl::Duration duration);

// The time that sending so many bytes may take: default_timeout, and a second for every 4 MiB.
absl::Duration UploadTimeout(const Connection& connection, uint64_t bytes);

// Calls `attempt(context, response)` until it succeeds, may not be repeated, or time is up.
template <class Response, class Attempt>
absl::StatusOr<Response> CallWithRetry(const Connection& connection, absl::Duration timeout,
                                       Attempt attempt) {
  Retry retry(connection.options.retry, timeout, connection.timing);
  while (true) {
    const absl::Duration remaining = retry.Remaining();
    // A fast server could answer before gRPC looks at the clock.
    if (remaining <= absl::ZeroDuration()) return absl::DeadlineExceededError("no time is left");
    grpc::ClientContext context;
    context.set_deadline(DeadlineAfter(remaining));
    Response response;
    const absl::Status status = FromGrpc(attempt(&context, &response));
    if (status.ok()) return response;
    if (!retry.WaitToTryAgain(status)) return status;
  }
}

// Calls one unary method of a stub, such as &v1::TrainingService::Stub::GetRun.
template <class Stub, class Request, class Response>
absl::StatusOr<Response> CallUnary(const Connection& connection, Stub& stub,
                                   grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                   const Request& request, std::optional<absl::Duration> timeout) {
  return CallWithRetry<Response>(connection, timeout.value_or(connection.options.default_timeout),
                                 [&](grpc::ClientContext* context, Response* response) {
                                   return (stub.*method)(context, request, response);
                                 });
}

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_CONNECTION_H_
