// sampler preview and sampler explain: what an epoch would be drawn from, and why a sample would be
// drawn or not, without opening the epoch.

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/bars.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/sampler_definition.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

using Stratum = v1::PreviewSamplerResponse::Stratum;

struct Arguments {
  std::string name;
  SamplerDefinition definition;
  std::string run;
  uint32_t global_batch_size = 0;
  uint64_t epoch = 0;
  CLI::Option* epoch_option = nullptr;
  uint64_t index = 0;
  std::vector<uint32_t> coverage;
};

absl::Status ReadPlanned(const Arguments& arguments, Context& context, v1::PlannedEpoch* planned) {
  planned->set_sampler(arguments.name);
  if (arguments.definition.given()) {
    SUBSET_RETURN_IF_ERROR(arguments.definition.Read(planned));
  }
  if (!arguments.run.empty()) {
    SUBSET_RETURN_IF_ERROR(context.FindRun(arguments.run).status());
    planned->set_run(arguments.run);
  }
  planned->set_global_batch_size(arguments.global_batch_size);
  if (arguments.epoch_option->count() > 0) planned->set_epoch(arguments.epoch);
  return absl::OkStatus();
}

// The run exists, so what is not found is the sampler, its dataset or a column.
absl::Status Next(const absl::Status& status, const Arguments& arguments) {
  if (absl::IsNotFound(status)) {
    if (!arguments.definition.given()) return Suggest(status, "subsetctl sampler list");
    const std::vector<std::string> parts = absl::StrSplit(arguments.name, '/');
    return Suggest(status, absl::StrCat("subsetctl dataset describe ", parts[0]));
  }
  if (absl::IsInvalidArgument(status) && !arguments.definition.preset.empty()) {
    return Suggest(status, "subsetctl sampler presets");
  }
  return status;
}

std::string Percent(double ratio) { return absl::StrFormat("%.1f %%", 100 * ratio); }

std::string SamplerText(const Arguments& arguments, uint64_t version) {
  return version == 0 ? absl::StrCat(arguments.name, ", as given")
                      : absl::StrCat(arguments.name, " v", version);
}

std::string StratumText(const Stratum& stratum) {
  return stratum.has_inner_value() ? absl::StrCat(stratum.value(), "/", stratum.inner_value())
                                   : absl::StrCat(stratum.value());
}

void PrintStrata(const v1::PreviewSamplerResponse& preview, Console& console) {
  BarTable table({{"STRATUM", Align::kRight},
                  {"SAMPLES", Align::kRight},
                  {"ELIGIBLE", Align::kRight},
                  {"DRAWS", Align::kRight},
                  {"REPEATS", Align::kRight},
                  {"SHARE", Align::kRight}});
  for (const Stratum& stratum : preview.strata()) {
    table.AddRow({StratumText(stratum), Thousands(stratum.samples()),
                  Thousands(stratum.eligible_samples()), Decimal(stratum.expected_draws()),
                  Decimal(stratum.expected_repeats()), Percent(stratum.share())},
                 stratum.share());
  }
  table.Print(console);
}

void PrintCounts(const v1::PreviewSamplerResponse& preview, Console& console) {
  BarTable table({{"EXPECTED DRAWS", Align::kRight}, {"SAMPLES", Align::kRight}});
  for (const auto& bin : preview.expected_draws()) {
    table.AddRow(
        {absl::StrCat(Decimal(bin.low()), " to ", Decimal(bin.high())), Thousands(bin.samples())},
        static_cast<double>(bin.samples()));
  }
  table.Print(console);
}

void PrintCoverage(const v1::PreviewSamplerResponse& preview, Console& console) {
  BarTable table({{"AFTER EPOCHS", Align::kRight}, {"COVERAGE", Align::kRight}});
  for (const auto& coverage : preview.coverage()) {
    table.AddRow({Thousands(coverage.epochs()), Percent(coverage.ratio())}, coverage.ratio());
  }
  table.Print(console);
}

absl::Status Preview(const Arguments& arguments, Context& context) {
  v1::PreviewSamplerRequest request;
  SUBSET_RETURN_IF_ERROR(ReadPlanned(arguments, context, request.mutable_planned()));
  request.mutable_coverage_epochs()->Assign(arguments.coverage.begin(), arguments.coverage.end());
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  const auto preview = client->PreviewSampler(request);
  if (!preview.ok()) return Next(preview.status(), arguments);
  if (context.json()) {
    context.PrintJson(*preview);
    return absl::OkStatus();
  }
  Console& console = context.console();
  const double reachable = static_cast<double>(preview->reachable_samples());
  Fields()
      .Add("sampler", SamplerText(arguments, preview->sampler_version()))
      .Add("epoch", Thousands(preview->epoch()))
      .Add("scores", VersionText(preview->score_version()))
      .Add("samples", Thousands(preview->num_samples()))
      .Add("eligible", Thousands(preview->eligible_samples()))
      .Add("reachable", Thousands(preview->reachable_samples()))
      .Add("positions", absl::StrCat(Thousands(preview->num_positions()), " in ",
                                     Thousands(preview->num_steps()), " steps"))
      .Add("effective samples",
           absl::StrCat(Decimal(preview->effective_sample_size()), ", ",
                        Percent(reachable > 0 ? preview->effective_sample_size() / reachable : 0),
                        " of the reachable"))
      .Add("largest weight", Decimal(preview->largest_weight()))
      .Add("weight efficiency", Percent(preview->weight_efficiency()))
      .Add("probability",
           EnumWord(v1::ProbabilityKind_Name(preview->probability_kind()), "PROBABILITY_KIND_"))
      .Add("unbiased over",
           EnumWord(v1::UnbiasedOver_Name(preview->unbiased_over()), "UNBIASED_OVER_"))
      .Print(console);
  console.out << "\n";
  PrintStrata(*preview, console);
  console.out << "\n";
  PrintCounts(*preview, console);
  console.out << "\n";
  PrintCoverage(*preview, console);
  const uint64_t hidden = preview->num_strata() - preview->strata_size();
  if (hidden > 0) console.err << Thousands(hidden) << " strata of smaller shares are not shown\n";
  for (const std::string& warning : preview->warnings())
    console.err << "warning: " << warning << "\n";
  return absl::OkStatus();
}

// What one choice does to the probability, and the product so far.
class Factors {
 public:
  // The choice makes the product what it is.
  void Add(const std::string& choice, double product, const std::string& why) {
    table_.AddRow(
        {choice, product_ > 0 ? Decimal(product / product_) : "-", Decimal(product), why});
    product_ = product;
  }
  void Print(Console& console) const { table_.Print(console); }

 private:
  double product_ = 1;
  Table table_{{{"CHOICE"}, {"FACTOR", Align::kRight}, {"PRODUCT", Align::kRight}, {"WHY"}}};
};

std::string PreferenceText(const v1::ExplainSampleResponse& explained) {
  if (explained.preferred_column().empty()) return "uniform inside its stratum";
  return absl::StrCat(explained.preferred_column(),
                      explained.has_score() ? " is " + Decimal(explained.score()) : " is missing");
}

void PrintFactors(const v1::ExplainSampleResponse& explained, Console& console) {
  Factors factors;
  std::vector<std::string> failed;
  for (const auto& verdict : explained.predicates()) {
    if (!verdict.passes()) failed.push_back(verdict.path());
  }
  const char* passes = explained.predicates().empty() ? "nothing is filtered" : "passes every test";
  factors.Add("eligible", explained.eligible() ? 1 : 0,
              failed.empty() ? passes : absl::StrCat("fails ", absl::StrJoin(failed, ", ")));
  if (explained.eligible()) {
    const Stratum& stratum = explained.stratum();
    const double share = explained.proportion();
    factors.Add("proportion", share,
                absl::StrCat("of stratum ", StratumText(stratum), ", ",
                             Thousands(stratum.eligible_samples()), " eligible samples"));
    factors.Add("preference", share * explained.preference(), PreferenceText(explained));
    factors.Add("guard", share * explained.guarded(),
                explained.guarded() == explained.preference()
                    ? "changes nothing"
                    : "floor, refresh quota, cap on repeats");
    factors.Add("draw", explained.expected_draws(), "times in an epoch");
  }
  factors.Print(console);
}

absl::Status Explain(const Arguments& arguments, Context& context) {
  v1::ExplainSampleRequest request;
  SUBSET_RETURN_IF_ERROR(ReadPlanned(arguments, context, request.mutable_planned()));
  request.set_index(arguments.index);
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  const auto explained = client->ExplainSample(request);
  if (!explained.ok()) return Next(explained.status(), arguments);
  if (context.json()) {
    context.PrintJson(*explained);
    return absl::OkStatus();
  }
  Console& console = context.console();
  Fields fields;
  fields.Add("sample", Thousands(arguments.index))
      .Add("sampler", SamplerText(arguments, explained->sampler_version()))
      .Add("epoch", Thousands(explained->epoch()))
      .Add("scores", VersionText(explained->score_version()))
      .Add("verdict", explained->summary());
  if (explained->num_positions_drawn() > 0) {
    fields
        .Add("positions", absl::StrCat(absl::StrJoin(explained->positions(), " "),
                                       explained->num_positions_drawn() >
                                               static_cast<uint64_t>(explained->positions_size())
                                           ? " ..."
                                           : ""))
        .Add(EnumWord(v1::ProbabilityKind_Name(explained->probability_kind()), "PROBABILITY_KIND_"),
             Decimal(explained->probability()))
        .Add("weight", Decimal(explained->weight()));
  }
  fields.Print(console);
  console.out << "\n";
  if (!explained->predicates().empty()) {
    Table table({{"TEST"}, {"COLUMN"}, {"VALUE", Align::kRight}, {"PASSES"}});
    for (const auto& verdict : explained->predicates()) {
      table.AddRow({verdict.path(), verdict.column(),
                    verdict.has_value() ? Decimal(verdict.value()) : "missing",
                    verdict.passes() ? "yes" : "no"});
    }
    table.Print(console);
    console.out << "\n";
  }
  PrintFactors(*explained, console);
  return absl::OkStatus();
}

}  // namespace

void AddSamplerPreviewVerbs(CLI::App& group, Context& context) {
  const auto verb = [&](const char* name, const char* help, auto run) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* added = group.add_subcommand(name, help);
    added->add_option("name", arguments->name, "DATASET/NAME")->required();
    added->callback([arguments, run, &context] {
      context.action = [arguments, run, &context] { return run(*arguments, context); };
    });
    return std::make_pair(added, arguments);
  };
  const auto plan = [](CLI::App& added, Arguments& arguments) {
    arguments.definition.AddOptions(added);
    auto* run = added.add_option("--run", arguments.run,
                                 "whose scores, seed, batch size and epochs are taken");
    AddNumber(added, "--global-batch-size", arguments.global_batch_size,
              "samples per optimizer step; without a run 256")
        ->excludes(run);
    arguments.epoch_option =
        AddNumber(added, "--epoch", arguments.epoch, "which; else the run's next");
  };
  const auto [preview, of_preview] =
      verb("preview", "Shows what an epoch would be drawn from, without opening it", Preview);
  plan(*preview, *of_preview);
  preview
      ->add_option("--coverage", of_preview->coverage,
                   "numbers of epochs after which the coverage is shown; else 1,2,5,10")
      ->delimiter(',');
  const auto [explain, of_explain] =
      verb("explain", "Shows why a sample would be drawn or not, choice by choice", Explain);
  AddNumber(*explain, "index", of_explain->index, "of the sample")->required();
  plan(*explain, *of_explain);
}

}  // namespace subset::ctl
