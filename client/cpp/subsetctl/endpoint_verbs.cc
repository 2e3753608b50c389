#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/json.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

absl::Status Health(const std::string& service, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  const auto serving = client->CheckHealth(service);
  if (absl::IsNotFound(serving.status())) {
    return Suggest(NotFound("health service", service), "subsetctl endpoint health");
  }
  if (!serving.ok()) {
    return Suggest(serving.status(), "subsetd --print_config, on the server: where it listens");
  }
  const std::string status = *serving ? "SERVING" : "NOT_SERVING";
  if (context.json()) {
    context.console().out << JsonObject()
                                 .Add("endpoint", JsonString(context.endpoint))
                                 .Add("service", JsonString(service))
                                 .Add("status", JsonString(status))
                                 .Text();
  } else {
    Table table({{"ENDPOINT"}, {"SERVICE"}, {"STATUS"}});
    table.AddRow({context.endpoint, service.empty() ? "(all)" : service, status});
    table.Print(context.console());
  }
  if (*serving) return absl::OkStatus();
  return Suggest(CheckFailed(absl::StrCat(context.endpoint, " is not serving")),
                 "the server's log says why: starting, draining or read-only");
}

}  // namespace

void AddEndpointVerbs(CLI::App& app, Context& context) {
  auto service = std::make_shared<std::string>();
  CLI::App* group = app.add_subcommand("endpoint", "The server itself");
  group->require_subcommand(1);
  CLI::App* health =
      group->add_subcommand("health", "Asks grpc.health.v1; exit code 6 if it is not serving");
  health->add_option("--service", *service, "readiness, liveness or a service's name");
  health->callback([service, &context] {
    context.action = [service, &context] { return Health(*service, context); };
  });
}

}  // namespace subset::ctl
