#include <google/protobuf/text_format.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/paging.h"
#include "client/cpp/subsetctl/sampler_definition.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string name;
  std::string dataset;
  SamplerDefinition definition;
  uint64_t from_epoch = 0;
  uint64_t from_step = 0;
  bool yes = false;
  bool force = false;
};

absl::Status Print(const v1::Sampler& sampler, Context& context) {
  if (context.json()) {
    context.PrintJson(sampler);
    return absl::OkStatus();
  }
  Fields fields;
  fields.Add("name", sampler.name())
      .Add("uid", absl::StrCat(sampler.uid()))
      .Add("version", absl::StrCat(sampler.version()));
  if (sampler.from_epoch() > 0) fields.Add("from epoch", Thousands(sampler.from_epoch()));
  if (sampler.from_step() > 0) fields.Add("from step", Thousands(sampler.from_step()));
  fields.Add("preset", sampler.preset().empty() ? "-" : sampler.preset())
      .Add("created", TimeText(sampler.create_time()))
      .Print(context.console());
  std::string spec;
  google::protobuf::TextFormat::PrintToString(sampler.spec(), &spec);
  context.console().out << "\n" << spec;
  return absl::OkStatus();
}

void SetBegin(const Arguments&, v1::CreateSamplerRequest*) {}
void SetBegin(const Arguments& arguments, v1::UpdateSamplerRequest* request) {
  request->set_from_epoch(arguments.from_epoch);
  request->set_from_step(arguments.from_step);
}

template <class Request>
absl::Status Define(const Arguments& arguments, Context& context,
                    absl::StatusOr<v1::Sampler> (Client::*method)(const Request&,
                                                                  Client::Timeout)) {
  Request request;
  request.set_name(arguments.name);
  SetBegin(arguments, &request);
  SUBSET_RETURN_IF_ERROR(arguments.definition.Read(&request));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  const auto sampler = (client->*method)(request, {});
  if (absl::IsAlreadyExists(sampler.status())) {
    return Suggest(sampler.status(), absl::StrCat("subsetctl sampler describe ", arguments.name));
  }
  if (absl::IsNotFound(sampler.status())) {
    const std::vector<std::string> parts = absl::StrSplit(arguments.name, '/');
    return Suggest(sampler.status(), absl::StrCat("subsetctl dataset describe ", parts[0]));
  }
  if (absl::IsFailedPrecondition(sampler.status())) {
    return Suggest(sampler.status(), "subsetctl run list");
  }
  if (absl::IsInvalidArgument(sampler.status()) && arguments.definition.spec_file.empty()) {
    return Suggest(sampler.status(), "subsetctl sampler presets");
  }
  SUBSET_RETURN_IF_ERROR(sampler.status());
  return Print(*sampler, context);
}

absl::Status List(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::ListSamplersRequest request;
  request.set_dataset(arguments.dataset);
  const auto list = ListAll(*client, request, &Client::ListSamplers);
  if (!list.ok()) return Suggest(list.status(), "subsetctl dataset list");
  if (context.json()) {
    context.PrintJson(*list);
    return absl::OkStatus();
  }
  Table table({{"NAME"}, {"VERSION", Align::kRight}, {"PRESET"}, {"CREATED"}});
  for (const v1::Sampler& sampler : list->samplers()) {
    table.AddRow({sampler.name(), Thousands(sampler.version()),
                  sampler.preset().empty() ? "-" : sampler.preset(),
                  TimeText(sampler.create_time())});
  }
  table.Print(context.console());
  return absl::OkStatus();
}

absl::Status Describe(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::GetSamplerRequest request;
  request.set_name(arguments.name);
  const auto sampler = client->GetSampler(request);
  if (!sampler.ok()) return Suggest(sampler.status(), "subsetctl sampler list");
  return Print(*sampler, context);
}

absl::Status Delete(const Arguments& arguments, Context& context) {
  const std::string command =
      absl::StrCat("subsetctl sampler delete ", arguments.name, arguments.force ? " --force" : "");
  if (!arguments.yes) {
    SUBSET_RETURN_IF_ERROR(
        context.Confirm(absl::StrCat("Delete sampler \"", arguments.name, "\"",
                                     arguments.force ? " and the runs that use it?" : "?"),
                        absl::StrCat(command, " --yes")));
  }
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::DeleteSamplerRequest request;
  request.set_name(arguments.name);
  request.set_force(arguments.force);
  const auto deleted = client->DeleteSampler(request);
  if (absl::IsFailedPrecondition(deleted.status())) {
    return Suggest(deleted.status(), absl::StrCat(command, " --force"));
  }
  if (!deleted.ok()) return Suggest(deleted.status(), "subsetctl sampler list");
  if (context.json()) context.PrintJson(*deleted);
  context.console().err << "deleted sampler " << arguments.name << "\n";
  return absl::OkStatus();
}

void PrintPreset(const v1::Preset& preset, Context& context) {
  Fields()
      .Add("name", preset.name())
      .Add("source", preset.source())
      .Add("formula", preset.formula())
      .Add("unbiased for", preset.unbiased_for())
      .Print(context.console());
  if (preset.parameters().empty() && preset.columns().empty()) return;
  context.console().out << "\n";
  Table table({{"PARAMETER"}, {"DEFAULT", Align::kRight}, {"RANGE"}, {"MEANING"}});
  for (const v1::PresetParameter& parameter : preset.parameters()) {
    table.AddRow({parameter.name(),
                  parameter.has_default_value() ? Decimal(parameter.default_value()) : "required",
                  parameter.range(), parameter.description()});
  }
  for (const v1::PresetColumn& column : preset.columns()) {
    table.AddRow({column.name(), column.default_column().empty() ? "-" : column.default_column(),
                  "a column", column.description()});
  }
  table.Print(context.console());
}

absl::Status Presets(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  SUBSET_ASSIGN_OR_RETURN(v1::ListPresetsResponse presets, client->ListPresets({}));
  if (!arguments.name.empty()) {
    for (const v1::Preset& preset : presets.presets()) {
      if (preset.name() != arguments.name) continue;
      if (context.json()) {
        context.PrintJson(preset);
      } else {
        PrintPreset(preset, context);
      }
      return absl::OkStatus();
    }
    return Suggest(NotFound("preset", arguments.name), "subsetctl sampler presets");
  }
  if (context.json()) {
    context.PrintJson(presets);
    return absl::OkStatus();
  }
  Table table({{"NAME"}, {"PARAMETERS"}, {"UNBIASED FOR"}, {"SOURCE"}});
  for (const v1::Preset& preset : presets.presets()) {
    const std::string parameters = absl::StrJoin(
        preset.parameters(), " ", [](std::string* out, const v1::PresetParameter& parameter) {
          absl::StrAppend(out, parameter.name(), "=",
                          parameter.has_default_value() ? Decimal(parameter.default_value()) : "?");
        });
    table.AddRow({preset.name(), parameters.empty() ? "-" : parameters, preset.unbiased_for(),
                  preset.source()});
  }
  table.Print(context.console());
  return absl::OkStatus();
}

}  // namespace

void AddSamplerVerbs(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("sampler", "Rules that say what is drawn");
  group->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, auto run) {
    CLI::App* added = group->add_subcommand(name, help);
    added->callback([arguments, run, &context] {
      context.action = [arguments, run, &context] { return run(*arguments, context); };
    });
    return added;
  };
  const auto define = [&](CLI::App* added) {
    added->add_option("name", arguments->name, "DATASET/NAME")->required();
    arguments->definition.AddOptions(*added);
    added->callback([added, arguments, &context] {
      if (!arguments->definition.given()) throw CLI::RequiredError("--preset or --spec");
      const bool update = added->get_name() == "update";
      context.action = [arguments, update, &context] {
        return update ? Define(*arguments, context, &Client::UpdateSampler)
                      : Define(*arguments, context, &Client::CreateSampler);
      };
    });
  };
  define(group->add_subcommand("create", "Creates a sampler"));
  CLI::App* update =
      group->add_subcommand("update", "Makes a new version, used from the next epoch on");
  define(update);
  AddNumber(*update, "--from-epoch", arguments->from_epoch,
            "the first epoch of each run that uses it; 0: the next that opens");
  AddNumber(*update, "--from-step", arguments->from_step,
            "in its place: the first that begins at this step of the run, or later");
  verb("list", "Lists samplers", List)
      ->add_option("dataset", arguments->dataset, "of this dataset only");
  verb("describe", "Shows a sampler with every default written out", Describe)
      ->add_option("name", arguments->name, "DATASET/NAME")
      ->required();
  CLI::App* remove = verb("delete", "Deletes a sampler; asks before", Delete);
  remove->add_option("name", arguments->name, "DATASET/NAME")->required();
  remove->add_flag("--yes", arguments->yes, "do not ask");
  remove->add_flag("--force", arguments->force, "also when runs use it: they are deleted too");
  AddSamplerPreviewVerbs(*group, context);
  verb("presets", "Lists the presets, or shows one with its parameters", Presets)
      ->add_option("name", arguments->name, "the preset");
}

}  // namespace subset::ctl
