// One call of one method: admitted, answered, recorded. Handlers of unary methods are one line each
// through Answer and AnswerLater.

#ifndef SUBSET_SERVER_RPC_H_
#define SUBSET_SERVER_RPC_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"
#include "server/calls_in_flight.h"
#include "server/grpc_status.h"
#include "server/metrics.h"

namespace subset {

// What every service needs; all of it outlives the services.
struct ServiceParts {
  Engine* engine;
  Metrics* metrics;
  Clock* clock;
  CallsInFlight* calls;
};

inline absl::Status Draining() {
  return WithReason(absl::UnavailableError("the server is draining: send the request to another"),
                    "DRAINING");
}

// A call from its arrival to its status. Not thread-safe: belongs to whoever answers the call.
class Rpc {
 public:
  Rpc(const ServiceParts& parts, Method method)
      : metrics_(&parts.metrics->Of(method)),
        calls_(parts.calls),
        clock_(parts.clock),
        start_(clock_->Monotonic()),
        taken_(calls_->Begin()) {
    metrics_->Started();
  }

  // Do not execute a call that is not admitted. Returns kUnavailable during a drain, so that
  // nothing is under way when the connections close; kDeadlineExceeded where nobody waits for the
  // answer.
  absl::Status Admit(const grpc::CallbackServerContext& context) {
    if (!taken_) return Draining();
    if (!context.IsCancelled() && context.deadline() > absl::ToChronoTime(clock_->Now())) {
      return absl::OkStatus();
    }
    metrics_->ExpiredBeforeStart();
    return absl::DeadlineExceededError("the deadline had passed before the call was executed");
  }

  absl::Duration Elapsed() const { return clock_->Monotonic() - start_; }
  MethodMetrics& metrics() { return *metrics_; }

  // Records the end of the call; returns what to finish it with.
  grpc::Status End(const absl::Status& status) {
    metrics_->Finished(status, Elapsed());
    calls_->End();
    return ToGrpcStatus(status);
  }

 private:
  MethodMetrics* metrics_;
  CallsInFlight* calls_;
  Clock* clock_;
  absl::Duration start_;
  bool taken_;  // before the drain
};

// Whether the caller of `context` has gone: what the engine asks while it waits.
inline Engine::Cancelled CancelledBy(grpc::CallbackServerContext* context) {
  return [context] { return context->IsCancelled(); };
}

// Admits the call, runs `work(done)` and answers with what `done` is called with, on any thread.
template <typename Reply, typename Work>
grpc::ServerUnaryReactor* AnswerLater(const ServiceParts& parts, Method method,
                                      grpc::CallbackServerContext* context, Reply* reply,
                                      Work&& work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Rpc rpc(parts, method);
  rpc.metrics().Received();
  if (absl::Status admitted = rpc.Admit(*context); !admitted.ok()) {
    reactor->Finish(rpc.End(admitted));
    return reactor;
  }
  std::forward<Work>(work)([reactor, reply, rpc](absl::StatusOr<Reply> result) mutable {
    if (result.ok()) {
      *reply = *std::move(result);
      rpc.metrics().Sent();
    }
    reactor->Finish(rpc.End(result.status()));
  });
  return reactor;
}

// The same where `work()` returns the reply at once: a Reply or a StatusOr<Reply>.
template <typename Reply, typename Work>
grpc::ServerUnaryReactor* Answer(const ServiceParts& parts, Method method,
                                 grpc::CallbackServerContext* context, Reply* reply, Work&& work) {
  return AnswerLater(parts, method, context, reply,
                     [&](auto done) { done(absl::StatusOr<Reply>(work())); });
}

}  // namespace subset

#endif  // SUBSET_SERVER_RPC_H_
