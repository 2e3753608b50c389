#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/cpp/columns/column_values.h"
#include "client/cpp/subsetctl/dataset_import_verb.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/paging.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  ImportArguments import;
  std::string name;
  bool yes = false;
  bool force = false;
};

constexpr uint32_t kDistinctCounted = 65537;  // which means "more"

std::string DistinctText(const v1::Column& column) {
  if (columns::IsFloat(column.type())) return "-";
  if (column.distinct_values() == kDistinctCounted) return "> 65,536";
  return Thousands(column.distinct_values());
}

void Print(const v1::Dataset& dataset, Context& context) {
  if (context.json()) {
    context.PrintJson(dataset);
    return;
  }
  Fields()
      .Add("name", dataset.name())
      .Add("uid", absl::StrCat(dataset.uid()))
      .Add("samples", Thousands(dataset.num_samples()))
      .Add("columns version", Thousands(dataset.columns_version()))
      .Add("fingerprint", dataset.fingerprint())
      .Add("created", TimeText(dataset.create_time()))
      .Print(context.console());
  if (dataset.columns().empty()) return;
  context.console().out << "\n";
  Table table({{"COLUMN"}, {"TYPE"}, {"DISTINCT", Align::kRight}, {"SHA256"}});
  for (const v1::Column& column : dataset.columns()) {
    table.AddRow({column.name(), columns::TypeName(column.type()), DistinctText(column),
                  column.sha256().substr(0, 12)});
  }
  table.Print(context.console());
}

absl::Status Create(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(v1::Dataset dataset, ImportFiles(arguments.import, context));
  Print(dataset, context);
  return absl::OkStatus();
}

absl::Status List(const Arguments&, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  SUBSET_ASSIGN_OR_RETURN(v1::ListDatasetsResponse list,
                          ListAll(*client, v1::ListDatasetsRequest(), &Client::ListDatasets));
  if (context.json()) {
    context.PrintJson(list);
    return absl::OkStatus();
  }
  Table table({{"NAME"}, {"SAMPLES", Align::kRight}, {"COLUMNS"}, {"CREATED"}});
  for (const v1::Dataset& dataset : list.datasets()) {
    const std::string columns =
        absl::StrJoin(dataset.columns(), " ", [](std::string* out, const v1::Column& column) {
          absl::StrAppend(out, column.name(), ":", columns::TypeName(column.type()));
        });
    table.AddRow({dataset.name(), Thousands(dataset.num_samples()), columns.empty() ? "-" : columns,
                  TimeText(dataset.create_time())});
  }
  table.Print(context.console());
  return absl::OkStatus();
}

absl::Status Describe(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::GetDatasetRequest request;
  request.set_name(arguments.name);
  const auto dataset = client->GetDataset(request);
  if (!dataset.ok()) return Suggest(dataset.status(), "subsetctl dataset list");
  Print(*dataset, context);
  return absl::OkStatus();
}

absl::Status Delete(const Arguments& arguments, Context& context) {
  const std::string command =
      absl::StrCat("subsetctl dataset delete ", arguments.name, arguments.force ? " --force" : "");
  if (!arguments.yes) {
    SUBSET_RETURN_IF_ERROR(
        context.Confirm(absl::StrCat("Delete dataset \"", arguments.name, "\" and its samplers",
                                     arguments.force ? " and their runs?" : "?"),
                        absl::StrCat(command, " --yes")));
  }
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  v1::DeleteDatasetRequest request;
  request.set_name(arguments.name);
  request.set_force(arguments.force);
  const auto deleted = client->DeleteDataset(request);
  if (absl::IsFailedPrecondition(deleted.status())) {
    return Suggest(deleted.status(), absl::StrCat(command, " --force"));
  }
  if (!deleted.ok()) return Suggest(deleted.status(), "subsetctl dataset list");
  if (context.json()) context.PrintJson(*deleted);
  context.console().err << "deleted dataset " << arguments.name << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddDatasetVerbs(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* group = app.add_subcommand("dataset", "Samples and their columns");
  group->require_subcommand(1);
  const auto verb = [&](const char* name, const char* help, auto run) {
    CLI::App* added = group->add_subcommand(name, help);
    added->callback([arguments, run, &context] {
      context.action = [arguments, run, &context] { return run(*arguments, context); };
    });
    return added;
  };
  ImportArguments& import = arguments->import;
  CLI::App* create = group->add_subcommand("create", "Creates a dataset, all or nothing");
  create->add_option("name", import.name, "the dataset")->required();
  auto* samples = AddNumber(*create, "--samples", import.num_samples,
                            "how many; may be left out where columns say it")
                      ->check(CLI::PositiveNumber);
  auto* from = create->add_option("--from", import.from,
                                  "a CSV, .npy or IDX file, gzipped or not: all of its columns, or "
                                  "those of --column");
  auto* column =
      create
          ->add_option(
              "--column", import.columns,
              "NAME[:TYPE][=FILE[#HEADER]], as often as needed; TYPE is u8, u16, u32, i64, "
              "f32, f64 or set (labels apart by blanks, or a boolean .npy matrix)")
          ->allow_extra_args(false);
  create->add_flag("--allow-missing", import.allow_missing,
                   "take nan and empty cells of float columns as missing");
  create->add_flag("--update", import.update,
                   "add or replace columns of a dataset that exists already");
  create->callback([arguments, samples, from, column, &context] {
    if (samples->count() + from->count() + column->count() == 0) {
      throw CLI::RequiredError("--samples, --from or --column");
    }
    context.action = [arguments, &context] { return Create(*arguments, context); };
  });
  verb("list", "Lists datasets", List);
  verb("describe", "Shows a dataset with its columns", Describe)
      ->add_option("name", arguments->name, "the dataset")
      ->required();
  CLI::App* remove = verb("delete", "Deletes a dataset with its samplers; asks before", Delete);
  remove->add_option("name", arguments->name, "the dataset")->required();
  remove->add_flag("--yes", arguments->yes, "do not ask");
  remove->add_flag("--force", arguments->force, "also when runs use it: they are deleted too");
}

}  // namespace subset::ctl
