#include "client/cpp/subsetctl/checkpoint_verbs.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/table.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string run;
  std::string checkpoint;
  bool keep_scores = false;
  bool revert_scores = false;
  bool yes = false;
};

absl::Status Commit(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::CommitRequest request;
  request.set_run_uid(run.uid());
  request.set_checkpoint_id(arguments.checkpoint);
  request.set_keep_scores(arguments.keep_scores);
  SUBSET_ASSIGN_OR_RETURN(const v1::Checkpoint checkpoint, client->Commit(request));
  if (context.json()) {
    context.PrintJson(checkpoint);
    return absl::OkStatus();
  }
  Fields()
      .Add("checkpoint", checkpoint.checkpoint_id())
      .Add("committed", TimeText(checkpoint.commit_time()))
      .Add("epoch", Thousands(checkpoint.epoch()))
      .Add("reported", Thousands(checkpoint.acknowledged_positions()))
      .Add("score version", VersionText(checkpoint.score_version()))
      .Add("scores kept", checkpoint.scores_kept() ? "yes" : "no")
      .Print(context.console());
  return absl::OkStatus();
}

absl::Status Rollback(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  if (!arguments.yes) {
    SUBSET_RETURN_IF_ERROR(
        context.Confirm(absl::StrCat("Return everything that run \"", arguments.run,
                                     "\" acknowledged after \"", arguments.checkpoint, "\"?"),
                        absl::StrCat("subsetctl run rollback ", arguments.run, " ",
                                     arguments.checkpoint, " --yes")));
  }
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::RollbackRequest request;
  request.set_run_uid(run.uid());
  request.set_checkpoint_id(arguments.checkpoint);
  request.set_revert_scores(arguments.revert_scores);
  request.set_generation(run.generation());
  const auto rolled_back = client->Rollback(request);
  if (!rolled_back.ok()) {
    return Suggest(rolled_back.status(), absl::StrCat("subsetctl run describe ", arguments.run));
  }
  if (context.json()) context.PrintJson(*rolled_back);
  context.console().err << "returned " << Thousands(rolled_back->returned_positions())
                        << " positions; generation " << rolled_back->generation() << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddCheckpointVerbs(CLI::App& run, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* commit =
      run.add_subcommand("commit", "Ties what is acknowledged so far to a trainer's checkpoint");
  commit->add_option("run", arguments->run, "the run")->required();
  commit->add_option("checkpoint", arguments->checkpoint, "its id")->required();
  commit->add_flag("--keep-scores", arguments->keep_scores, "so that a rollback can revert them");
  commit->callback([arguments, &context] {
    context.action = [arguments, &context] { return Commit(*arguments, context); };
  });
  CLI::App* rollback = run.add_subcommand(
      "rollback", "Returns everything acknowledged after a checkpoint; asks before");
  rollback->add_option("run", arguments->run, "the run")->required();
  rollback->add_option("checkpoint", arguments->checkpoint, "its id")->required();
  rollback->add_flag("--revert-scores", arguments->revert_scores, "the scores too");
  rollback->add_flag("--yes", arguments->yes, "do not ask");
  rollback->callback([arguments, &context] {
    context.action = [arguments, &context] { return Rollback(*arguments, context); };
  });
}

void PrintCheckpoints(const google::protobuf::RepeatedPtrField<v1::Checkpoint>& checkpoints,
                      Console& console) {
  Table table({{"CHECKPOINT"},
               {"EPOCH", Align::kRight},
               {"REPORTED", Align::kRight},
               {"SCORES", Align::kRight},
               {"KEPT"},
               {"COMMITTED"}});
  for (const v1::Checkpoint& checkpoint : checkpoints) {
    table.AddRow({checkpoint.checkpoint_id(), Thousands(checkpoint.epoch()),
                  Thousands(checkpoint.acknowledged_positions()),
                  VersionText(checkpoint.score_version()), checkpoint.scores_kept() ? "yes" : "no",
                  TimeText(checkpoint.commit_time())});
  }
  table.Print(console);
}

}  // namespace subset::ctl
