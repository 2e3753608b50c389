#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/checkpoint_verbs.h"
#include "client/cpp/subsetctl/epoch_table.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/paging.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string name;
  std::string dataset;
  std::string sampler;
  uint64_t seed = 0;
  uint32_t global_batch_size = 0;
  bool drop_last = false;
  std::string feedback_timeout;
  std::string copy_scores_from;
  std::string time_to_live;
  bool yes = false;
};

absl::Status SetDuration(const std::string& flag, const std::string& text, absl::Duration longest,
                         google::protobuf::Duration* proto) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration > longest) {
    return InvalidField(flag, absl::StrCat("\"", text, "\" is not a duration in [0s, ",
                                           absl::FormatDuration(longest), "], such as 90s"));
  }
  proto->set_seconds(absl::ToInt64Seconds(duration));
  proto->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration - absl::Trunc(duration, absl::Seconds(1)))));
  return absl::OkStatus();
}

absl::Status Print(const v1::Run& run, Context& context) {
  if (context.json()) {
    context.PrintJson(run);
    return absl::OkStatus();
  }
  const absl::Duration timeout = absl::Seconds(run.feedback_timeout().seconds()) +
                                 absl::Nanoseconds(run.feedback_timeout().nanos());
  Fields()
      .Add("name", run.name())
      .Add("uid", absl::StrCat(run.uid()))
      .Add("sampler", run.sampler())
      .Add("samples", Thousands(run.num_samples()))
      .Add("scored", Thousands(run.scored_samples()))
      .Add("seed", absl::StrCat(run.seed()))
      .Add("global batch size", Thousands(run.global_batch_size()))
      .Add("drop last", run.drop_last() ? "yes" : "no")
      .Add("feedback timeout", absl::FormatDuration(timeout))
      .Add("score version", VersionText(run.score_version()))
      .Add("created", TimeText(run.create_time()))
      .Print(context.console());
  if (run.epochs_size() > 0) {
    context.console().out << "\n";
    PrintEpochs(run.epochs(), context.console());
  }
  if (run.checkpoints_size() > 0) {
    context.console().out << "\n";
    PrintCheckpoints(run.checkpoints(), context.console());
  }
  return absl::OkStatus();
}

absl::Status Create(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::CreateRunRequest request;
  request.set_name(arguments.name);
  request.set_sampler(arguments.sampler);
  request.set_seed(arguments.seed);
  request.set_global_batch_size(arguments.global_batch_size);
  request.set_drop_last(arguments.drop_last);
  if (!arguments.feedback_timeout.empty()) {
    SUBSET_RETURN_IF_ERROR(SetDuration("--feedback-timeout", arguments.feedback_timeout,
                                       absl::Hours(24), request.mutable_feedback_timeout()));
  }
  if (!arguments.time_to_live.empty()) {
    SUBSET_RETURN_IF_ERROR(SetDuration("--time-to-live", arguments.time_to_live,
                                       absl::Hours(24 * 3650), request.mutable_time_to_live()));
  }
  request.set_copy_scores_from(arguments.copy_scores_from);
  const auto run = client->CreateRun(request);
  if (absl::IsNotFound(run.status())) return Suggest(run.status(), "subsetctl sampler list");
  if (absl::IsAlreadyExists(run.status())) {
    return Suggest(run.status(), absl::StrCat("subsetctl run describe ", arguments.name));
  }
  SUBSET_RETURN_IF_ERROR(run.status());
  return Print(*run, context);
}

absl::Status List(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::ListRunsRequest request;
  request.set_dataset(arguments.dataset);
  const auto list = ListAll(*client, request, &Client::ListRuns);
  if (!list.ok()) return Suggest(list.status(), "subsetctl dataset list");
  if (context.json()) {
    context.PrintJson(*list);
    return absl::OkStatus();
  }
  Table table({{"NAME"},
               {"SAMPLER"},
               {"SEED", Align::kRight},
               {"BATCH", Align::kRight},
               {"EPOCH", Align::kRight},
               {"SCORED", Align::kRight},
               {"SAMPLES", Align::kRight},
               {"CREATED"}});
  for (const v1::Run& run : list->runs()) {
    const std::string epoch =
        run.epochs_size() == 0 ? "-" : Thousands(run.epochs(run.epochs_size() - 1).epoch());
    table.AddRow({run.name(), run.sampler(), absl::StrCat(run.seed()),
                  Thousands(run.global_batch_size()), epoch, Thousands(run.scored_samples()),
                  Thousands(run.num_samples()), TimeText(run.create_time())});
  }
  table.Print(context.console());
  return absl::OkStatus();
}

absl::Status Describe(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.name));
  return Print(run, context);
}

absl::Status Delete(const Arguments& arguments, Context& context) {
  if (!arguments.yes) {
    SUBSET_RETURN_IF_ERROR(context.Confirm(
        absl::StrCat("Delete run \"", arguments.name, "\" with its scores and epochs?"),
        absl::StrCat("subsetctl run delete ", arguments.name, " --yes")));
  }
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::DeleteRunRequest request;
  request.set_name(arguments.name);
  const auto deleted = client->DeleteRun(request);
  if (!deleted.ok()) return Suggest(deleted.status(), "subsetctl run list");
  if (context.json()) context.PrintJson(*deleted);
  context.console().err << "deleted run " << arguments.name << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddRunVerbs(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("run", "Training jobs: seed, scores, epochs");
  group->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, auto run) {
    CLI::App* added = group->add_subcommand(name, help);
    added->callback([arguments, run, &context] {
      context.action = [arguments, run, &context] { return run(*arguments, context); };
    });
    return added;
  };
  CLI::App* create = verb("create", "Creates a run, or shows the one that is the same", Create);
  create->add_option("name", arguments->name, "the run")->required();
  create->add_option("--sampler", arguments->sampler, "DATASET/NAME")->required();
  AddNumber(*create, "--global-batch-size", arguments->global_batch_size,
            "samples per optimizer step over all ranks")
      ->required();
  AddNumber(*create, "--seed", arguments->seed, "of every draw")->capture_default_str();
  create->add_flag("--drop-last", arguments->drop_last, "drop the short batch of an epoch");
  create->add_option("--feedback-timeout", arguments->feedback_timeout,
                     "how long an epoch waits for the feedback of the one before, such as 90s");
  create->add_option("--copy-scores-from", arguments->copy_scores_from,
                     "a run of the same dataset whose scores this one starts with");
  create->add_option("--time-to-live", arguments->time_to_live,
                     "delete the run when nobody used it for so long, such as 72h");
  AddCheckpointVerbs(*group, context);
  verb("list", "Lists runs", List)
      ->add_option("dataset", arguments->dataset, "of this dataset only");
  verb("describe", "Shows a run with its epochs", Describe)
      ->add_option("name", arguments->name, "the run")
      ->required();
  CLI::App* remove = verb("delete", "Deletes a run; asks before", Delete);
  remove->add_option("name", arguments->name, "the run")->required();
  remove->add_flag("--yes", arguments->yes, "do not ask");
}

}  // namespace subset::ctl
