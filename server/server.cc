#include "server/server.h"

#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <prometheus/exposer.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <exception>
#include <fstream>
#include <future>
#include <mutex>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "server/bind_error.h"

namespace subset {
namespace {

constexpr absl::Duration kRefusing = absl::Milliseconds(300);
constexpr absl::Duration kFlush = absl::Milliseconds(500);  // for replies on their way

// "" speaks for the whole server; "liveness" and "readiness" are what the probes ask.
constexpr const char* kHealthServices[] = {"",
                                           "subset.v1.DatasetService",
                                           "subset.v1.SamplerService",
                                           "subset.v1.TrainingService",
                                           "liveness",
                                           "readiness"};

int Milliseconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Milliseconds(duration));
}

void SetLimits(const ServerOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_message_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.max_concurrent_streams));
  // A second server on the same port must fail, not share it.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // A client that opens a connection and says nothing must not hold it for long.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Milliseconds(absl::Seconds(20)));
  // A peer that has vanished is found after 40 s; clients may ping each 10 s, idle ones too.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(absl::Seconds(30)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(absl::Seconds(10)));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Milliseconds(absl::Seconds(10)));
  // Clients connect anew now and then, so that they see new addresses in the DNS.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(absl::Minutes(30)));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(absl::Minutes(1)));
}

// The library puts reflection into every server of the process; this takes it out of one.
class NoReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [](const auto& plugin) {
                                    return plugin->name() == "proto_server_reflection";
                                  }),
                   plugins->end());
  }
};

// `address` with its port replaced by the one that was bound.
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':')), ":", port);
}

void WaitFor(absl::Duration duration) {
  std::mutex mu;
  std::condition_variable never;
  std::unique_lock<std::mutex> lock(mu);
  never.wait_for(lock, absl::ToChronoNanoseconds(duration), [] { return false; });
}

}  // namespace

Server::Server(const ServerOptions& options, Engine* engine, Metrics* metrics, Clock* clock)
    : options_(options),
      engine_(engine),
      metrics_(metrics),
      datasets_({engine, metrics, clock, &calls_}),
      samplers_({engine, metrics, clock, &calls_}),
      training_({engine, metrics, clock, &calls_}) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options, Engine* engine,
                                                      Metrics* metrics, Clock* clock) {
  std::unique_ptr<Server> server(new Server(options, engine, metrics, clock));
  // An old file must not lead anyone to an address that is gone.
  if (!options.port_file.empty()) std::remove(options.port_file.c_str());
  SUBSET_RETURN_IF_ERROR(server->StartMetrics());
  SUBSET_RETURN_IF_ERROR(server->StartGrpc());
  server->SetServing(true);
  server->ready_.store(true, std::memory_order_relaxed);
  SUBSET_RETURN_IF_ERROR(server->WritePortFile());
  return server;
}

absl::Status Server::StartGrpc() {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();  // for the process, once
  grpc::ServerBuilder builder;
  if (!options_.reflection) builder.SetOption(std::make_unique<NoReflection>());
  SetLimits(options_, builder);
  int port = 0;
  builder.AddListeningPort(options_.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&datasets_);
  builder.RegisterService(&samplers_);
  builder.RegisterService(&training_);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr) return BindError("listen", options_.listen);
  grpc_address_ = absl::StartsWith(options_.listen, "unix:") ? options_.listen
                                                             : WithPort(options_.listen, port);
  return absl::OkStatus();
}

absl::Status Server::StartMetrics() {
  if (options_.metrics_listen.empty()) return absl::OkStatus();
  try {
    exposer_ = std::make_unique<prometheus::Exposer>(options_.metrics_listen);
  } catch (const std::exception&) {  // all it says is that it failed
    return BindError("metrics_listen", options_.metrics_listen);
  }
  metrics_address_ = WithPort(options_.metrics_listen, exposer_->GetListeningPorts().at(0));
  state_metrics_ =
      std::make_shared<StateMetrics>([this] { return engine_->Stats(); },
                                     [this] {
                                       return Readiness{ready_.load(std::memory_order_relaxed),
                                                        draining_.load(std::memory_order_relaxed)};
                                     });
  exposer_->RegisterCollectable(metrics_->collectable());
  exposer_->RegisterCollectable(state_metrics_);
  return absl::OkStatus();
}

absl::Status Server::WritePortFile() {
  if (options_.port_file.empty()) return absl::OkStatus();
  const std::string draft = options_.port_file + ".new";
  {
    std::ofstream file(draft);
    file << "grpc=" << grpc_address_ << "\nmetrics=" << metrics_address_ << "\n";
    file.close();
    if (file.good() && std::rename(draft.c_str(), options_.port_file.c_str()) == 0) {
      return absl::OkStatus();
    }
  }
  return absl::UnavailableError(
      absl::StrCat("port_file ", options_.port_file, " cannot be written"));
}

void Server::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = grpc_->GetHealthCheckService();
  for (const char* service : kHealthServices) health->SetServingStatus(service, serving);
}

void Server::Drain() {
  draining_.store(true, std::memory_order_relaxed);
  ready_.store(false, std::memory_order_relaxed);
  grpc_->GetHealthCheckService()->Shutdown();
  engine_->StopWaiting();
  WaitFor(options_.drain_delay);
  calls_.Refuse();
  training_.StopStreams();
  // gRPC ends what arrives once it shuts down as CANCELLED, which clients do not send again: those
  // that are busy hear UNAVAILABLE from us before.
  WaitFor(kRefusing);
  calls_.WaitForNone(options_.drain_deadline);
  const auto deadline = absl::ToChronoTime(absl::Now() + kFlush);
  auto shutdown = std::async(std::launch::async, [&] { grpc_->Shutdown(deadline); });
  // What is left are replies on their way, and watches of health, which never end by themselves.
  if (shutdown.wait_for(absl::ToChronoMilliseconds(kFlush)) != std::future_status::ready) {
    grpc_server_cancel_all_calls(grpc_->c_server());
  }
  shutdown.wait();
  shut_down_ = true;
}

Server::~Server() {
  if (grpc_ != nullptr && !shut_down_) {
    engine_->StopWaiting();
    grpc_->Shutdown(absl::ToChronoTime(absl::Now()));
  }
  if (!options_.port_file.empty()) std::remove(options_.port_file.c_str());
  exposer_.reset();  // no scrape may find the engine gone
}

}  // namespace subset
