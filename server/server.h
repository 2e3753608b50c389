// The server: services, health, reflection and /metrics around an engine.

#ifndef SUBSET_SERVER_SERVER_H_
#define SUBSET_SERVER_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "engine/engine.h"
#include "server/calls_in_flight.h"
#include "server/dataset_service.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/sampler_service.h"
#include "server/state_metrics.h"
#include "server/training_service.h"

namespace prometheus {
class Exposer;
}

namespace subset {

// Serves from Start to destruction. Thread-safe.
//
//   auto server = Server::Start(options, engine.get(), &metrics);
//   ... wait for a signal ...
//   (*server)->Drain();
class Server {
 public:
  // Binds the ports and serves; health says SERVING at return, and port_file is written. `engine`
  // and `metrics` must outlive the server. Fails with kUnavailable where an address cannot be bound
  // (the message names the setting, the address and why) or port_file cannot be written.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options, Engine* engine,
                                                       Metrics* metrics,
                                                       Clock* clock = Clock::Real());

  // Cancels what is in flight, at once, unless Drain came first.
  ~Server();

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Ends service politely: health says NOT_SERVING and waiting requests end with kUnavailable; for
  // drain_delay calls are still accepted; then streams end, connections are told to go away, and
  // calls in flight may finish until drain_deadline. Blocks until all calls are over. Once.
  void Drain();

  // Where it serves: the port is the real one also where port 0 was asked for.
  const std::string& grpc_address() const { return grpc_address_; }
  const std::string& metrics_address() const { return metrics_address_; }  // empty: no metrics

 private:
  Server(const ServerOptions& options, Engine* engine, Metrics* metrics, Clock* clock);
  absl::Status StartGrpc();
  absl::Status StartMetrics();
  absl::Status WritePortFile();
  void SetServing(bool serving);

  // Constant after Start.
  const ServerOptions options_;
  Engine* const engine_;
  Metrics* const metrics_;
  std::string grpc_address_;
  std::string metrics_address_;

  // Relaxed: only shown in metrics.
  std::atomic<bool> ready_{false};
  std::atomic<bool> draining_{false};

  CallsInFlight calls_;  // thread-safe

  // Services before the server that calls them; the exposer, which reads all, last.
  DatasetService datasets_;
  SamplerService samplers_;
  TrainingService training_;
  std::unique_ptr<grpc::Server> grpc_;
  std::shared_ptr<StateMetrics> state_metrics_;
  std::unique_ptr<prometheus::Exposer> exposer_;

  bool shut_down_ = false;  // used by Drain and the destructor, which never overlap
};

}  // namespace subset

#endif  // SUBSET_SERVER_SERVER_H_
