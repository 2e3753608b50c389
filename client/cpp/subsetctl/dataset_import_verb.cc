#include "client/cpp/subsetctl/dataset_import_verb.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/columns/column_file.h"
#include "client/cpp/subsetctl/progress.h"
#include "client/cpp/subsetctl/table.h"

namespace subset::ctl {
namespace {

using columns::CsvRequest;
using columns::NamedColumn;

// Which columns each file gives; none: all of them.
absl::StatusOr<std::map<std::string, std::vector<CsvRequest>>> PlanFiles(
    const ImportArguments& arguments) {
  std::map<std::string, std::vector<CsvRequest>> files;
  for (const std::string& text : arguments.columns) {
    SUBSET_ASSIGN_OR_RETURN(columns::ColumnChoice choice, columns::ParseColumnChoice(text));
    const std::string& file = choice.file.empty() ? arguments.from : choice.file;
    if (file.empty()) {
      return InvalidField("--column",
                          absl::StrCat("\"", text, "\" names no file, and there is no --from"));
    }
    files[file].push_back(std::move(choice.request));
  }
  if (!arguments.from.empty()) files[arguments.from];
  return files;
}

absl::StatusOr<std::vector<NamedColumn>> ReadFiles(const ImportArguments& arguments) {
  SUBSET_ASSIGN_OR_RETURN(const auto files, PlanFiles(arguments));
  std::vector<NamedColumn> columns;
  for (const auto& [file, requests] : files) {
    auto read = columns::ReadColumnFile(file, requests, arguments.allow_missing);
    if (!read.ok()) {
      // A missing file is a failure here, not a missing thing on the server.
      return absl::IsNotFound(read.status()) ? absl::InvalidArgumentError(read.status().message())
                                             : read.status();
    }
    for (NamedColumn& column : *read) {
      const auto same = [&](const NamedColumn& other) { return other.name == column.name; };
      if (std::any_of(columns.begin(), columns.end(), same)) {
        return InvalidField("--column", absl::StrCat("\"", column.name, "\" is given twice"));
      }
      columns.push_back(std::move(column));
    }
  }
  return columns;
}

}  // namespace

absl::StatusOr<v1::Dataset> ImportFiles(const ImportArguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(const std::vector<NamedColumn> columns, ReadFiles(arguments));
  DatasetImport dataset;
  dataset.name = arguments.name;
  dataset.create_only = !arguments.update;
  dataset.num_samples = arguments.num_samples;
  if (dataset.num_samples == 0 && !columns.empty()) dataset.num_samples = columns[0].values.size();
  uint64_t missing = 0;
  uint64_t bytes = 0;
  for (const NamedColumn& column : columns) {
    if (column.values.size() != dataset.num_samples) {
      return InvalidField(
          "--column", absl::StrCat("\"", column.name, "\" has ", Thousands(column.values.size()),
                                   " values; ", Thousands(dataset.num_samples), " are needed"));
    }
    missing += column.values.missing();
    bytes += column.values.bytes().size();
    dataset.columns.emplace_back(column.name, column.values.type(), column.values.bytes());
  }
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  absl::StatusOr<v1::Dataset> created;
  {
    Progress progress(context.console(), absl::StrCat("importing ", arguments.name));
    dataset.progress = [&](uint64_t sent, uint64_t total) { progress.Show(sent, total); };
    created = client->ImportDataset(dataset);
  }
  if (absl::IsAlreadyExists(created.status()) || absl::IsFailedPrecondition(created.status())) {
    return Suggest(created.status(), absl::StrCat("subsetctl dataset describe ", arguments.name));
  }
  if (created.ok()) {
    context.console().err << "imported " << Thousands(dataset.num_samples) << " samples, "
                          << columns.size() << (columns.size() == 1 ? " column, " : " columns, ")
                          << Bytes(bytes) << ", " << Thousands(missing) << " values missing\n";
  }
  return created;
}

}  // namespace subset::ctl
