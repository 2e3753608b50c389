#include "client/cpp/subsetctl/subsetctl.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/error.h"
#include "client/cpp/subsetctl/context.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

std::string ValidateTimeout(const std::string& text) {
  absl::Duration timeout;
  if (absl::ParseDuration(text, &timeout) && timeout > absl::ZeroDuration()) return "";
  return absl::StrCat("\"", text, "\" is not a duration above 0, such as 500ms, 30s or 5m");
}

// "subsetctl dataset create": the deepest verb on the command line.
std::string VerbPath(const CLI::App& app) {
  std::string path = "subsetctl";
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    absl::StrAppend(&path, " ", at->get_name());
  }
  return path;
}

int ReportError(const absl::Status& status, const std::string& verb, Context& context) {
  std::ostream& err = context.console().err;
  err << "error: ";
  const bool silent_server = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (silent_server) err << context.endpoint << ": ";
  err << status.message() << " (" << absl::StatusCodeToString(status.code());
  if (const auto field = ErrorField(status)) err << ", field " << *field;
  if (const auto reason = ErrorReason(status);
      reason.has_value() && *reason != absl::StatusCodeToString(status.code())) {
    err << ", reason " << *reason;
  }
  err << ")\n";
  const std::string fallback =
      silent_server ? absl::StrCat("subsetctl endpoint health --endpoint ", context.endpoint)
                    : absl::StrCat(verb, " --help");
  err << "next: " << Suggestion(status).value_or(fallback) << "\n";
  return ExitCode(status);
}

}  // namespace

int RunSubsetctl(const std::vector<std::string>& arguments, Console& console) {
  Context context(console);
  CLI::App app(
      "Datasets, samplers, runs and batches of a Subset server.\n"
      "Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 failure, 2 usage,\n"
      "3 not found, 4 not allowed, 5 unavailable, 6 check failed.",
      "subsetctl");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Everywhere: --endpoint HOST:PORT, --timeout DURATION, -o table|json");
  app.add_option("--endpoint", context.endpoint, "the server, host:port")
      ->envname("SUBSETCTL_ENDPOINT")
      ->capture_default_str();
  app.add_option("--timeout", context.timeout, "of the call with all its repetitions")
      ->envname("SUBSETCTL_TIMEOUT")
      ->check(CLI::Validator(ValidateTimeout, "DURATION"))
      ->capture_default_str();
  app.add_option("-o,--output", context.output, "table for people, json for programs")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  AddDatasetVerbs(app, context);
  AddSamplerVerbs(app, context);
  AddRunVerbs(app, context);
  AddEpochVerbs(app, context);
  AddLeaseVerbs(app, context);
  AddDrawVerbs(app, context);
  AddReportVerb(app, context);
  AddEndpointVerbs(app, context);
  AddVersionVerb(app, context);

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, console.out, console.err);  // --help
    console.err << "error: " << error.what() << "\nnext: " << VerbPath(app) << " --help\n";
    return kUsageExit;
  }
  const absl::Status status = context.action();
  return status.ok() ? 0 : ReportError(status, VerbPath(app), context);
}

}  // namespace subset::ctl
