// The settings of subsetd: every flag, from the command line or the environment.
//
// A flag --data_dir is also read from SUBSET_DATA_DIR; precedence is flag, environment, default. An
// unknown flag or SUBSET_ variable is an error that names the nearest known one. The variables that
// Kubernetes sets for Services (SUBSET_PORT_50051_TCP, SUBSET_SERVICE_HOST ...) are not ours and
// are ignored.

#ifndef SUBSET_SERVER_OPTIONS_H_
#define SUBSET_SERVER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/log.h"

namespace subset {

// The defaults of the flags are these.
struct ServerOptions {
  std::string data_dir;
  std::string listen = "0.0.0.0:50051";         // HOST:PORT or unix:PATH
  std::string metrics_listen = "0.0.0.0:9090";  // HOST:PORT; empty: no metrics
  std::string port_file;                        // empty: none
  bool reflection = false;
  absl::Duration drain_delay = absl::Seconds(5);
  absl::Duration drain_deadline = absl::Seconds(20);
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kConsole;
  uint64_t disk_reserve_bytes = 512ull << 20;
  uint64_t min_fold_bytes = 256ull << 20;
  uint32_t keep_plans = 3;
  uint32_t keep_live_batches = 1024;
  uint64_t max_memory_bytes = 0;  // 0: from the machine, see memory_limit.h
  uint32_t max_message_bytes = 4u << 20;
  uint32_t max_concurrent_streams = 100;
};

// What the command line asks for.
struct Command {
  enum class Kind {
    kServe,
    kPrint,  // write `text` to stdout and exit 0: --help, --version, --print_config, --check_config
  };
  Kind kind = Kind::kServe;
  std::string text;
  ServerOptions options;
};

// Reads the settings from `args` (without the program's name) and `environment` ("KEY=VALUE" each).
// Fails with kInvalidArgument naming the flag, the value and the bound. Sets the process's Abseil
// flags: not thread-safe; call once, before threads start (tests hold an absl::FlagSaver).
absl::StatusOr<Command> ParseCommand(absl::Span<const std::string> args,
                                     absl::Span<const std::string> environment);

// The process's environment, as ParseCommand takes it.
std::vector<std::string> ProcessEnvironment();

}  // namespace subset

#endif  // SUBSET_SERVER_OPTIONS_H_
