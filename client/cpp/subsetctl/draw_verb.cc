#include <memory>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/json.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string run;
  uint64_t epoch = 0;
  uint64_t position = 0;
  uint32_t count = 16;
  bool assigned = false;
  uint64_t step = 0;
  uint32_t rank = 0;
  uint32_t world_size = 1;
  bool replay = false;
};

v1::GetBatchRequest RequestOf(const Arguments& arguments, uint64_t run_uid) {
  v1::GetBatchRequest request;
  request.set_run_uid(run_uid);
  request.set_epoch(arguments.epoch);
  request.set_replay(arguments.replay);
  if (arguments.assigned) {
    request.mutable_assigned()->set_step(arguments.step);
    request.mutable_assigned()->set_rank(arguments.rank);
    request.mutable_assigned()->set_world_size(arguments.world_size);
  } else {
    request.mutable_positions()->set_position(arguments.position);
    request.mutable_positions()->set_batch_size(arguments.count);
  }
  return request;
}

void PrintAsJson(const std::string& run, const v1::Batch& batch, const BatchView& view,
                 Console& console) {
  JsonObject json;
  json.Add("run", JsonString(run))
      .Add("epoch", JsonNumber(batch.epoch()))
      .Add("position", JsonNumber(batch.position()))
      .Add("step", JsonNumber(batch.step()))
      .Add("attempt", JsonNumber(batch.attempt()))
      .Add("indices", JsonNumbers(view.indices()));
  if (view.probabilities().empty() && view.has_probabilities()) {
    json.Add("probability", JsonNumber(batch.probability()));
  } else {
    json.Add("probabilities", JsonNumbers(view.probabilities()));
  }
  if (batch.has_weight()) {
    json.Add("weight", JsonNumber(batch.weight()));
  } else {
    json.Add("weights", JsonNumbers(view.weights()));
  }
  json.Add("probability_kind", JsonString(v1::ProbabilityKind_Name(batch.probability_kind())))
      .Add("unbiased_over", JsonString(v1::UnbiasedOver_Name(batch.unbiased_over())))
      .Add("sampler_version", JsonNumber(batch.sampler_version()))
      .Add("score_version", JsonObject()
                                .Add("incarnation", JsonNumber(batch.score_version().incarnation()))
                                .Add("records", JsonNumber(batch.score_version().records()))
                                .Line())
      .Add("padding", JsonNumber(batch.padding()))
      .Add("global_samples", JsonNumber(batch.global_samples()));
  if (batch.acknowledged_size() > 0) {
    std::vector<std::string> blocks;
    for (const v1::AcknowledgedBlock& block : batch.acknowledged()) {
      blocks.push_back(JsonObject()
                           .Add("position", JsonNumber(block.position()))
                           .Add("num_positions", JsonNumber(block.num_positions()))
                           .Add("attempt", JsonNumber(block.attempt()))
                           .Add("worker", JsonString(block.worker()))
                           .Line());
    }
    json.Add("acknowledged", JsonArray(blocks));
  }
  console.out << json.Text();
}

void PrintAsTable(const v1::Batch& batch, const BatchView& view, Console& console) {
  Table table({{"POSITION", Align::kRight},
               {"INDEX", Align::kRight},
               {"PROBABILITY", Align::kRight},
               {"WEIGHT", Align::kRight}});
  for (size_t i = 0; i < view.size(); ++i) {
    const bool padding = i >= view.size() - view.padding();
    table.AddRow(
        {padding ? "padding" : Thousands(view.position() + i), Thousands(view.indices()[i]),
         view.has_probabilities() ? Decimal(view.probability(i)) : "-", Decimal(view.weight(i))});
  }
  table.Print(console);
  console.err << Thousands(view.size() - view.padding()) << " samples; probability: "
              << EnumWord(v1::ProbabilityKind_Name(batch.probability_kind()), "PROBABILITY_KIND_")
              << "; unbiased over: "
              << EnumWord(v1::UnbiasedOver_Name(batch.unbiased_over()), "UNBIASED_OVER_")
              << "; sampler v" << batch.sampler_version() << "; scores "
              << VersionText(batch.score_version()) << "\n";
  for (const v1::AcknowledgedBlock& block : batch.acknowledged()) {
    console.err << "positions " << Thousands(block.position()) << " to "
                << Thousands(block.position() + block.num_positions() - 1)
                << ": acknowledged by worker " << block.worker() << ", attempt " << block.attempt()
                << "\n";
  }
}

absl::Status Draw(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  const auto batch = client->GetBatch(RequestOf(arguments, run.uid()));
  if (absl::IsDeadlineExceeded(batch.status())) {
    return Suggest(batch.status(), absl::StrCat("subsetctl epoch open ", arguments.run, " ",
                                                arguments.epoch, " --now"));
  }
  if (absl::IsOutOfRange(batch.status()) || absl::IsFailedPrecondition(batch.status())) {
    return Suggest(batch.status(), absl::StrCat("subsetctl run describe ", arguments.run));
  }
  SUBSET_RETURN_IF_ERROR(batch.status());
  BatchView view;
  SUBSET_RETURN_IF_ERROR(view.Decode(*batch));
  if (context.json()) {
    PrintAsJson(arguments.run, *batch, view, context.console());
  } else {
    PrintAsTable(*batch, view, context.console());
  }
  return absl::OkStatus();
}

void AddVerb(CLI::App& app, Context& context, const char* name, const char* help, bool replay) {
  auto arguments = std::make_shared<Arguments>();
  arguments->replay = replay;
  CLI::App* verb = app.add_subcommand(name, help);
  verb->add_option("run", arguments->run, "the run")->required();
  AddNumber(*verb, "-e,--epoch", arguments->epoch, "the epoch")->capture_default_str();
  auto* position =
      AddNumber(*verb, "--position", arguments->position, "of the first sample in the epoch")
          ->capture_default_str();
  auto* count =
      AddNumber(*verb, "-n,--count", arguments->count, "how many samples")->capture_default_str();
  auto* step = AddNumber(*verb, "--step", arguments->step,
                         "the share of --rank in this global batch instead");
  AddNumber(*verb, "--rank", arguments->rank, "data-parallel rank")
      ->needs(step)
      ->capture_default_str();
  AddNumber(*verb, "--world-size", arguments->world_size, "number of ranks")
      ->needs(step)
      ->capture_default_str();
  step->excludes(position)->excludes(count);
  verb->callback([arguments, step, &context] {
    arguments->assigned = step->count() > 0;
    context.action = [arguments, &context] { return Draw(*arguments, context); };
  });
}

}  // namespace

void AddDrawVerbs(CLI::App& app, Context& context) {
  AddVerb(app, context, "draw",
          "Shows one batch: indices, probabilities, weights. Opens the epoch if need be.",
          /*replay=*/false);
  AddVerb(app, context, "replay",
          "Shows a batch as it was served, and who acknowledged it. Opens nothing.",
          /*replay=*/true);
}

}  // namespace subset::ctl
