// subsetd: opens the data, serves until SIGTERM or SIGINT, drains, exits 0.
//
// Exit status: 0 after a drain, and after a second signal; 1 when it cannot start; 2 for a wrong
// setting.

#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/malloc.h"
#include "base/status_macros.h"
#include "engine/engine.h"
#include "server/memory_limit.h"
#include "server/metrics.h"
#include "server/options.h"
#include "server/server.h"
#include "server/version.h"
#include "storage/rocks_store.h"

namespace subset {
namespace {

constexpr int kDrained = SIGUSR1;  // what the draining thread wakes the main thread with

// Every thread inherits the mask, so that signals come to sigwait only.
sigset_t BlockSignals() {
  signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, kDrained);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// What gRPC has to say of its own is for who debugs it; what matters we say ourselves.
void LogOfGrpc(gpr_log_func_args* args) {
  Log(LogLevel::kDebug, args->message, {{"source", "grpc"}});
}

// Members are ended in reverse: no call after the server, no write after the engine.
struct Service {
  Metrics metrics;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Server> server;
};

absl::Status Start(const ServerOptions& options, Service& service) {
  RocksStoreOptions store_options;
  store_options.path = options.data_dir;
  store_options.reserve_bytes = options.disk_reserve_bytes;
  SUBSET_ASSIGN_OR_RETURN(std::unique_ptr<Store> store, RocksStore::Open(store_options));

  EngineOptions engine_options;
  engine_options.observer = &service.metrics;
  engine_options.min_fold_bytes = options.min_fold_bytes;
  engine_options.keep_plans = options.keep_plans;
  engine_options.keep_live_batches = options.keep_live_batches;
  engine_options.max_memory_bytes =
      options.max_memory_bytes != 0 ? options.max_memory_bytes : UsableMemoryBytes();
  SUBSET_ASSIGN_OR_RETURN(service.engine, Engine::Open(engine_options, std::move(store)));
  SUBSET_ASSIGN_OR_RETURN(service.server,
                          Server::Start(options, service.engine.get(), &service.metrics));

  const EngineStats stats = service.engine->Stats();
  Log(LogLevel::kInfo, "serving",
      {{"version", kVersion},
       {"grpc", service.server->grpc_address()},
       {"metrics", service.server->metrics_address()},
       {"data_dir", options.data_dir},
       {"incarnation", absl::StrCat(stats.incarnation)},
       {"datasets", absl::StrCat(stats.datasets.size())},
       {"runs", absl::StrCat(stats.runs.size())},
       {"recovery", absl::FormatDuration(stats.recovery)},
       {"max_memory_bytes", absl::StrCat(engine_options.max_memory_bytes)}});
  return absl::OkStatus();
}

int NextSignal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

int Serve(const ServerOptions& options) {
  const sigset_t signals = BlockSignals();
  Service service;
  if (absl::Status started = Start(options, service); !started.ok()) {
    Log(LogLevel::kError, absl::StrCat("cannot start: ", started.message()));
    return 1;
  }

  // The drain has begun once a signal asks for it, and is over once its thread says so.
  while (NextSignal(signals) == kDrained) {
  }
  Log(LogLevel::kInfo, "draining", {{"delay", absl::FormatDuration(options.drain_delay)}});
  std::atomic<bool> drained{false};
  const pthread_t main_thread = pthread_self();
  std::thread drain([&] {
    service.server->Drain();
    service.server.reset();
    service.engine.reset();  // finishes what is queued and makes it durable
    drained.store(true);
    pthread_kill(main_thread, kDrained);
  });
  while (!drained.load()) {
    if (NextSignal(signals) != kDrained) {
      // Everything acknowledged is in the log already, so to stop here loses nothing.
      Log(LogLevel::kWarning, "second signal: stopping at once");
      _exit(0);
    }
  }
  drain.join();
  Log(LogLevel::kInfo, "stopped");
  return 0;
}

}  // namespace
}  // namespace subset

int main(int argc, char** argv) {
  const auto command = subset::ParseCommand(std::vector<std::string>(argv + 1, argv + argc),
                                            subset::ProcessEnvironment());
  if (!command.ok()) {
    std::fprintf(stderr, "subsetd: %s\n", std::string(command.status().message()).c_str());
    return 2;
  }
  if (command->kind == subset::Command::Kind::kPrint) {
    std::fputs(command->text.c_str(), stdout);
    return 0;
  }
  subset::ConfigureLog(command->options.log_level, command->options.log_format);
  subset::KeepFreedMemory();
  gpr_set_log_function(subset::LogOfGrpc);
  return subset::Serve(command->options);
}
