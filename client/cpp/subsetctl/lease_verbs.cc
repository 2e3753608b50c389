#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string run;
  uint64_t epoch = 0;
  uint64_t position = 0;
  bool one = false;  // the block at `position`
};

std::string SecondsText(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(
      absl::Trunc(absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos()),
                  absl::Milliseconds(100)));
}

absl::Status List(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::ListLeasesRequest request;
  request.set_run_uid(run.uid());
  request.set_epoch(arguments.epoch);
  const auto list = client->ListLeases(request);
  if (absl::IsFailedPrecondition(list.status())) {
    return Suggest(list.status(), absl::StrCat("subsetctl run describe ", arguments.run));
  }
  SUBSET_RETURN_IF_ERROR(list.status());
  if (context.json()) {
    context.PrintJson(*list);
    return absl::OkStatus();
  }
  Table table({{"STATE"},
               {"POSITION", Align::kRight},
               {"POSITIONS", Align::kRight},
               {"WORKER"},
               {"ATTEMPT", Align::kRight},
               {"EXPIRES"},
               {"REASON"}});
  for (const v1::LeasedBlock& block : list->leased()) {
    table.AddRow({"leased", Thousands(block.position()), Thousands(block.num_positions()),
                  block.worker(), absl::StrCat(block.attempt()),
                  SecondsText(block.lease().expires_in()), ""});
  }
  for (const v1::FailedBlock& block : list->parked()) {
    table.AddRow({"parked", Thousands(block.position()), Thousands(block.num_positions()),
                  block.worker(), absl::StrCat(block.failures()), "never", block.reason()});
  }
  table.Print(context.console());
  context.console().err << Thousands(list->num_leased()) << " leased, "
                        << Thousands(list->num_parked()) << " parked\n";
  return absl::OkStatus();
}

absl::Status Release(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::ReleaseParkedRequest request;
  request.set_run_uid(run.uid());
  request.set_epoch(arguments.epoch);
  if (arguments.one) request.set_position(arguments.position);
  const auto released = client->ReleaseParked(request);
  if (!released.ok()) {
    return Suggest(released.status(), absl::StrCat("subsetctl lease list ", arguments.run,
                                                   " --epoch ", arguments.epoch));
  }
  if (context.json()) context.PrintJson(*released);
  context.console().err << "released " << Thousands(released->released_positions())
                        << " positions of epoch " << arguments.epoch << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddLeaseVerbs(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("lease", "Blocks of an epoch that workers hold");
  group->require_subcommand(1);
  CLI::App* list = group->add_subcommand("list", "Lists leased and parked blocks");
  list->add_option("run", arguments->run, "the run")->required();
  AddNumber(*list, "-e,--epoch", arguments->epoch, "the epoch")->capture_default_str();
  list->callback([arguments, &context] {
    context.action = [arguments, &context] { return List(*arguments, context); };
  });
  CLI::App* release = group->add_subcommand("release", "Lets parked blocks be delivered again");
  release->add_option("run", arguments->run, "the run")->required();
  AddNumber(*release, "-e,--epoch", arguments->epoch, "the epoch")->capture_default_str();
  auto* position = AddNumber(*release, "--position", arguments->position,
                             "of the one block to release; else all");
  release->callback([arguments, position, &context] {
    arguments->one = position->count() > 0;
    context.action = [arguments, &context] { return Release(*arguments, context); };
  });
}

}  // namespace subset::ctl
