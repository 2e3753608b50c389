#include "server/options.h"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "absl/flags/flag.h"
#include "absl/flags/reflection.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "server/version.h"

ABSL_FLAG(std::string, data_dir, subset::ServerOptions().data_dir,
          "Directory of the database; created if missing. Required.");
ABSL_FLAG(std::string, listen, subset::ServerOptions().listen,
          "Where gRPC is served: HOST:PORT (port 0: any free one) or unix:PATH.");
ABSL_FLAG(std::string, metrics_listen, subset::ServerOptions().metrics_listen,
          "Where /metrics is served over HTTP: HOST:PORT. Empty: not at all.");
ABSL_FLAG(std::string, port_file, subset::ServerOptions().port_file,
          "Written, whole, once serving: grpc=ADDRESS and metrics=ADDRESS, one line each.");
ABSL_FLAG(bool, reflection, subset::ServerOptions().reflection, "Serve gRPC reflection.");
ABSL_FLAG(absl::Duration, drain_delay, subset::ServerOptions().drain_delay,
          "After SIGTERM: how long calls are still accepted while health says NOT_SERVING.");
ABSL_FLAG(absl::Duration, drain_deadline, subset::ServerOptions().drain_deadline,
          "After drain_delay: how long calls in flight may take before they are cancelled.");
ABSL_FLAG(std::string, log_level, "info", "debug, info, warning or error.");
ABSL_FLAG(std::string, log_format, "auto", "json, console, or auto: console on a terminal.");
ABSL_FLAG(uint64_t, disk_reserve_bytes, subset::ServerOptions().disk_reserve_bytes,
          "Writes are refused before less than this is free on the disk of data_dir.");
ABSL_FLAG(uint64_t, min_fold_bytes, subset::ServerOptions().min_fold_bytes,
          "The log is folded when it exceeds this and the size of the images.");
ABSL_FLAG(uint32_t, keep_plans, subset::ServerOptions().keep_plans,
          "Epochs of a run that stay drawable.");
ABSL_FLAG(uint32_t, keep_live_batches, subset::ServerOptions().keep_live_batches,
          "Live draws of a run that stay repeatable.");
ABSL_FLAG(
    uint64_t, max_memory_bytes, subset::ServerOptions().max_memory_bytes,
    "Imports and runs that need more are refused. 0: 80 % of the container's limit, or of the "
    "machine's memory.");
ABSL_FLAG(uint32_t, max_message_bytes, subset::ServerOptions().max_message_bytes,
          "Largest request message.");
ABSL_FLAG(uint32_t, max_concurrent_streams, subset::ServerOptions().max_concurrent_streams,
          "Calls in flight per connection.");
ABSL_FLAG(bool, print_config, false, "Print every setting and where it came from, then exit.");
ABSL_FLAG(bool, check_config, false, "Check the settings, then exit: 0 if they are good.");
ABSL_FLAG(bool, version, false, "Print the version, then exit.");
ABSL_FLAG(bool, help, false, "Print this help, then exit.");

namespace subset {
namespace {

constexpr absl::string_view kPrefix = "SUBSET_";

enum class Origin { kDefault, kEnvironment, kFlag };

struct Setting {
  absl::CommandLineFlag* flag;
  Origin origin = Origin::kDefault;
};

// By name: only the flags of this file, whatever libraries define.
using Settings = std::map<std::string, Setting>;

Settings AllSettings() {
  Settings settings;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (absl::EndsWith(flag->Filename(), "server/options.cc")) {
      settings[std::string(name)] = {flag};
    }
  }
  return settings;
}

// The known name nearest to `name`, or empty if none is near.
std::string Nearest(const Settings& settings, absl::string_view name) {
  std::string nearest;
  size_t best = std::max<size_t>(2, name.size() / 3) + 1;
  for (const auto& [known, setting] : settings) {
    const size_t distance = EditDistance(name, known);
    if (distance < best) {
      best = distance;
      nearest = known;
    }
  }
  return nearest;
}

std::string Shown(absl::string_view text) { return absl::CHexEscape(text.substr(0, 80)); }

std::string EnvironmentName(absl::string_view flag) {
  return absl::StrCat(kPrefix, absl::AsciiStrToUpper(flag));
}

// What Kubernetes puts into a pod's environment for a Service named subset or subset-*.
bool IsServiceLink(absl::string_view key) {
  if (absl::EndsWith(key, "_SERVICE_HOST") || absl::EndsWith(key, "_PORT")) return true;
  if (absl::StrContains(key, "_SERVICE_PORT")) return true;
  const size_t port = key.find("_PORT_");
  return port != absl::string_view::npos && port + 6 < key.size() &&
         absl::ascii_isdigit(key[port + 6]);
}

absl::Status Set(Setting& setting, absl::string_view value, Origin origin,
                 absl::string_view source) {
  std::string error;
  if (!setting.flag->ParseFrom(value, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, ": \"", Shown(value), "\" is not a value of ", setting.flag->Name(),
                     " (such as ", setting.flag->DefaultValue(), ")"));
  }
  setting.origin = origin;
  return absl::OkStatus();
}

absl::Status ReadEnvironment(absl::Span<const std::string> environment, Settings& settings) {
  for (const std::string& entry : environment) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || !absl::StartsWith(entry, kPrefix)) continue;
    const std::string key = entry.substr(0, equals);
    const std::string name = absl::AsciiStrToLower(absl::StripPrefix(key, kPrefix));
    const auto found = settings.find(name);
    if (found != settings.end() && EnvironmentName(name) == key) {
      SUBSET_RETURN_IF_ERROR(
          Set(found->second, entry.substr(equals + 1), Origin::kEnvironment, key));
      continue;
    }
    if (IsServiceLink(key)) continue;
    const std::string nearest = Nearest(settings, name);
    return absl::InvalidArgumentError(absl::StrCat(
        "unknown setting ", Shown(key), " in the environment",
        nearest.empty() ? "" : absl::StrCat("; did you mean ", EnvironmentName(nearest), "?")));
  }
  return absl::OkStatus();
}

// --name=value, --name value, --name and --noname for booleans.
absl::Status ReadArguments(absl::Span<const std::string> args, Settings& settings) {
  for (size_t i = 0; i < args.size(); ++i) {
    absl::string_view text = args[i];
    if (!absl::ConsumePrefix(&text, "--") || text.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", Shown(args[i]), "\"; settings are --name=value"));
    }
    const size_t equals = text.find('=');
    const bool has_value = equals != absl::string_view::npos;
    const std::string name(text.substr(0, equals));
    std::string value(has_value ? text.substr(equals + 1) : "");
    auto found = settings.find(name);
    if (found == settings.end() && !has_value && absl::StartsWith(name, "no")) {
      found = settings.find(name.substr(2));
      if (found != settings.end() && !found->second.flag->IsOfType<bool>()) found = settings.end();
      value = "false";
    } else if (found != settings.end() && !has_value) {
      if (found->second.flag->IsOfType<bool>()) {
        value = "true";
      } else if (i + 1 < args.size()) {
        value = args[++i];
      } else {
        return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a value"));
      }
    }
    if (found == settings.end()) {
      const std::string nearest = Nearest(settings, name);
      return absl::InvalidArgumentError(
          absl::StrCat("unknown flag --", Shown(name),
                       nearest.empty() ? "" : absl::StrCat("; did you mean --", nearest, "?")));
    }
    SUBSET_RETURN_IF_ERROR(
        Set(found->second, value, Origin::kFlag, absl::StrCat("--", found->first)));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status CheckRange(absl::string_view name, T value, T low, T high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " ", value, " is outside [", low, ", ", high, "]"));
}

absl::Status CheckRange(absl::string_view name, absl::Duration value, absl::Duration high) {
  if (value >= absl::ZeroDuration() && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      name, " ", absl::FormatDuration(value), " is outside [0, ", absl::FormatDuration(high), "]"));
}

absl::Status CheckAddress(absl::string_view name, absl::string_view address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != absl::string_view::npos && colon > 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port <= 65535) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(name, " \"", Shown(address),
                                                 "\" is not HOST:PORT with a port in [0, 65535]",
                                                 name == "listen" ? " or unix:PATH" : ""));
}

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return absl::InvalidArgumentError(
      absl::StrCat("log_level \"", Shown(name), "\" is not one of debug, info, warning, error"));
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view name) {
  if (name == "json") return LogFormat::kJson;
  if (name == "console") return LogFormat::kConsole;
  if (name == "auto") return isatty(STDERR_FILENO) ? LogFormat::kConsole : LogFormat::kJson;
  return absl::InvalidArgumentError(
      absl::StrCat("log_format \"", Shown(name), "\" is not one of json, console, auto"));
}

absl::StatusOr<ServerOptions> BuildOptions() {
  ServerOptions options;
  options.data_dir = absl::GetFlag(FLAGS_data_dir);
  options.listen = absl::GetFlag(FLAGS_listen);
  options.metrics_listen = absl::GetFlag(FLAGS_metrics_listen);
  options.port_file = absl::GetFlag(FLAGS_port_file);
  options.reflection = absl::GetFlag(FLAGS_reflection);
  options.drain_delay = absl::GetFlag(FLAGS_drain_delay);
  options.drain_deadline = absl::GetFlag(FLAGS_drain_deadline);
  options.disk_reserve_bytes = absl::GetFlag(FLAGS_disk_reserve_bytes);
  options.min_fold_bytes = absl::GetFlag(FLAGS_min_fold_bytes);
  options.keep_plans = absl::GetFlag(FLAGS_keep_plans);
  options.keep_live_batches = absl::GetFlag(FLAGS_keep_live_batches);
  options.max_memory_bytes = absl::GetFlag(FLAGS_max_memory_bytes);
  options.max_message_bytes = absl::GetFlag(FLAGS_max_message_bytes);
  options.max_concurrent_streams = absl::GetFlag(FLAGS_max_concurrent_streams);
  SUBSET_ASSIGN_OR_RETURN(options.log_level, ParseLogLevel(absl::GetFlag(FLAGS_log_level)));
  SUBSET_ASSIGN_OR_RETURN(options.log_format, ParseLogFormat(absl::GetFlag(FLAGS_log_format)));

  if (options.data_dir.empty()) {
    return absl::InvalidArgumentError("data_dir is required: the directory of the database");
  }
  if (!absl::StartsWith(options.listen, "unix:") || options.listen.size() == 5) {
    SUBSET_RETURN_IF_ERROR(CheckAddress("listen", options.listen));
  }
  if (!options.metrics_listen.empty()) {
    SUBSET_RETURN_IF_ERROR(CheckAddress("metrics_listen", options.metrics_listen));
  }
  SUBSET_RETURN_IF_ERROR(CheckRange("drain_delay", options.drain_delay, absl::Minutes(10)));
  SUBSET_RETURN_IF_ERROR(CheckRange("drain_deadline", options.drain_deadline, absl::Hours(1)));
  SUBSET_RETURN_IF_ERROR(CheckRange<uint64_t>("disk_reserve_bytes", options.disk_reserve_bytes,
                                              uint64_t{16} << 20, uint64_t{1} << 50));
  SUBSET_RETURN_IF_ERROR(
      CheckRange<uint64_t>("min_fold_bytes", options.min_fold_bytes, 4096, uint64_t{1} << 40));
  SUBSET_RETURN_IF_ERROR(CheckRange<uint32_t>("keep_plans", options.keep_plans, 1, 64));
  SUBSET_RETURN_IF_ERROR(
      CheckRange<uint32_t>("keep_live_batches", options.keep_live_batches, 1, 1u << 20));
  if (options.max_memory_bytes != 0) {
    SUBSET_RETURN_IF_ERROR(CheckRange<uint64_t>("max_memory_bytes", options.max_memory_bytes,
                                                uint64_t{1} << 20, uint64_t{1} << 50));
  }
  // At least two import chunks' worth, so that a full chunk with its header fits.
  SUBSET_RETURN_IF_ERROR(
      CheckRange<uint32_t>("max_message_bytes", options.max_message_bytes, 2u << 20, 1u << 30));
  SUBSET_RETURN_IF_ERROR(
      CheckRange<uint32_t>("max_concurrent_streams", options.max_concurrent_streams, 1, 1u << 20));
  return options;
}

std::string Help(const Settings& settings) {
  std::string text =
      "subsetd: serves subsets of training data.\n\n"
      "Usage: subsetd --data_dir=DIR [--NAME=VALUE ...]\n"
      "Every setting is also read from the environment (SUBSET_DATA_DIR); a flag wins.\n\n";
  for (const auto& [name, setting] : settings) {
    absl::StrAppendFormat(&text, "  --%s=%s\n      %s\n", name, setting.flag->DefaultValue(),
                          setting.flag->Help());
  }
  return text;
}

std::string PrintedConfig(const Settings& settings) {
  std::string text;
  for (const auto& [name, setting] : settings) {
    const char* origin = setting.origin == Origin::kFlag          ? "flag"
                         : setting.origin == Origin::kEnvironment ? "environment"
                                                                  : "default";
    absl::StrAppendFormat(&text, "%s=%s  # %s\n", name, setting.flag->CurrentValue(), origin);
  }
  return text;
}

}  // namespace

absl::StatusOr<Command> ParseCommand(absl::Span<const std::string> args,
                                     absl::Span<const std::string> environment) {
  Settings settings = AllSettings();
  SUBSET_RETURN_IF_ERROR(ReadEnvironment(environment, settings));
  SUBSET_RETURN_IF_ERROR(ReadArguments(args, settings));
  Command command;
  command.kind = Command::Kind::kPrint;
  if (absl::GetFlag(FLAGS_help)) {
    command.text = Help(settings);
    return command;
  }
  if (absl::GetFlag(FLAGS_version)) {
    command.text = absl::StrCat("subsetd ", kVersion, " (", kRevision, ")\n");
    return command;
  }
  SUBSET_ASSIGN_OR_RETURN(command.options, BuildOptions());
  if (absl::GetFlag(FLAGS_print_config)) {
    for (absl::string_view once : {"help", "version", "print_config", "check_config"}) {
      settings.erase(std::string(once));
    }
    command.text = PrintedConfig(settings);
  } else if (absl::GetFlag(FLAGS_check_config)) {
    command.text = "the settings are good\n";
  } else {
    command.kind = Command::Kind::kServe;
  }
  return command;
}

std::vector<std::string> ProcessEnvironment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

}  // namespace subset
