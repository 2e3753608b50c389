#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/epoch_table.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string run;
  uint64_t epoch = 0;
  bool now = false;
};

absl::Status Open(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::OpenEpochRequest request;
  request.set_run_uid(run.uid());
  request.set_epoch(arguments.epoch);
  request.set_now(arguments.now);
  const auto epoch = client->OpenEpoch(request);
  if (absl::IsDeadlineExceeded(epoch.status())) {
    return Suggest(epoch.status(), absl::StrCat("subsetctl epoch open ", arguments.run, " ",
                                                arguments.epoch, " --now"));
  }
  if (!epoch.ok() && !absl::IsUnavailable(epoch.status())) {
    return Suggest(epoch.status(), absl::StrCat("subsetctl run describe ", arguments.run));
  }
  SUBSET_RETURN_IF_ERROR(epoch.status());
  if (context.json()) {
    context.PrintJson(*epoch);
    return absl::OkStatus();
  }
  google::protobuf::RepeatedPtrField<v1::Epoch> one;
  *one.Add() = *epoch;
  PrintEpochs(one, context.console());
  return absl::OkStatus();
}

absl::Status Status(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  if (context.json()) {
    context.PrintJson(run);
    return absl::OkStatus();
  }
  Table table({{"EPOCH", Align::kRight},
               {"POSITIONS", Align::kRight},
               {"REPORTED", Align::kRight},
               {"LEASED", Align::kRight},
               {"PARKED", Align::kRight},
               {"LEFT", Align::kRight}});
  for (const v1::Epoch& epoch : run.epochs()) {
    const uint64_t known =
        epoch.acknowledged_positions() + epoch.leased_positions() + epoch.parked_positions();
    const uint64_t needed =
        run.drop_last() ? epoch.num_steps() * run.global_batch_size() : epoch.num_positions();
    table.AddRow({Thousands(epoch.epoch()), Thousands(needed),
                  Thousands(epoch.acknowledged_positions()), Thousands(epoch.leased_positions()),
                  Thousands(epoch.parked_positions()),
                  Thousands(needed - std::min(known, needed))});
  }
  table.Print(context.console());
  return absl::OkStatus();
}

std::string OpenedText(const v1::Epoch& epoch) {
  return absl::StrCat(EnumWord(v1::Epoch::Opened_Name(epoch.opened()), ""),
                      epoch.fell_back_to_uniform() ? ", uniform: no score to go by" : "");
}

}  // namespace

void PrintEpochs(const google::protobuf::RepeatedPtrField<v1::Epoch>& epochs, Console& console) {
  Table table({{"EPOCH", Align::kRight},
               {"POSITIONS", Align::kRight},
               {"STEPS", Align::kRight},
               {"DISTINCT", Align::kRight},
               {"REPORTED", Align::kRight},
               {"ESS", Align::kRight},
               {"SAMPLER", Align::kRight},
               {"SCORES", Align::kRight},
               {"OPENED"}});
  for (const v1::Epoch& epoch : epochs) {
    table.AddRow({Thousands(epoch.epoch()), Thousands(epoch.num_positions()),
                  Thousands(epoch.num_steps()), Thousands(epoch.distinct_samples()),
                  Thousands(epoch.acknowledged_positions()),
                  absl::StrFormat("%.1f %%", 100 * epoch.effective_sample_ratio()),
                  absl::StrCat("v", epoch.sampler_version()), VersionText(epoch.score_version()),
                  OpenedText(epoch)});
  }
  table.Print(console);
}

void AddEpochVerbs(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("epoch", "Epochs of a run");
  group->require_subcommand(1);
  CLI::App* open = group->add_subcommand(
      "open", "Opens an epoch, or shows it; waits for the feedback of the one before");
  open->add_option("run", arguments->run, "the run")->required();
  AddNumber(*open, "epoch", arguments->epoch, "its number")->required();
  open->add_flag("--now", arguments->now, "do not wait for feedback");
  open->callback([arguments, &context] {
    context.action = [arguments, &context] { return Open(*arguments, context); };
  });
  CLI::App* status = group->add_subcommand(
      "status", "Shows how far each epoch is: reported, leased, parked, left");
  status->add_option("run", arguments->run, "the run")->required();
  status->callback([arguments, &context] {
    context.action = [arguments, &context] { return Status(*arguments, context); };
  });
}

}  // namespace subset::ctl
