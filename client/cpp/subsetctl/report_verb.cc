#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "base/types.h"
#include "client/cpp/columns/csv.h"
#include "client/cpp/subsetctl/format.h"
#include "client/cpp/subsetctl/table.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

struct Arguments {
  std::string run;
  uint64_t epoch = 0;
  uint64_t position = 0;
  bool has_position = false;
  uint64_t step = 0;
  std::string values_file;
  std::string indices;
  std::string loss;
  std::string durability = "durable";
};

// What is reported: indices as u32, and one f32 column per name, all little-endian.
struct Values {
  std::string indices;
  std::vector<std::pair<std::string, std::string>> columns;
};

absl::Status AppendList(const std::string& option, const std::string& text,
                        columns::ColumnValues* values) {
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const absl::Status status = values->AppendText(item);
    if (!status.ok()) {
      return InvalidField(option,
                          absl::StrCat("item ", values->size() + 1, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Values> FromLists(const Arguments& arguments) {
  columns::ColumnValues indices(v1::COLUMN_TYPE_UINT32, false);
  columns::ColumnValues loss(v1::COLUMN_TYPE_FLOAT32, false);
  SUBSET_RETURN_IF_ERROR(AppendList("--indices", arguments.indices, &indices));
  SUBSET_RETURN_IF_ERROR(AppendList("--loss", arguments.loss, &loss));
  if (indices.size() != loss.size()) {
    return InvalidField(
        "--loss", absl::StrCat("has ", loss.size(), " values for ", indices.size(), " indices"));
  }
  return Values{indices.bytes(), {{"loss", loss.bytes()}}};
}

// A CSV file whose header is "index" and the names of the values.
absl::StatusOr<Values> FromFile(const std::string& path) {
  SUBSET_ASSIGN_OR_RETURN(const auto all, columns::ReadCsv(path, {}, false));
  std::vector<columns::CsvRequest> requests;
  for (const auto& column : all) {
    const bool is_index = column.name == "index";
    requests.push_back(
        {column.name, column.name, is_index ? v1::COLUMN_TYPE_UINT32 : v1::COLUMN_TYPE_FLOAT32});
  }
  SUBSET_ASSIGN_OR_RETURN(const auto typed, columns::ReadCsv(path, requests, false));
  Values values;
  bool has_index = false;
  for (const auto& column : typed) {
    if (column.name == "index") {
      has_index = true;
      values.indices = column.values.bytes();
    } else {
      values.columns.emplace_back(column.name, column.values.bytes());
    }
  }
  if (!has_index || values.columns.empty()) {
    return InvalidField("--values", absl::StrCat(path,
                                                 " needs a header with \"index\" and at least "
                                                 "one column of values, such as \"loss\""));
  }
  return values;
}

v1::Feedback FeedbackOf(const Arguments& arguments, const Values& values, size_t begin,
                        size_t count) {
  v1::Feedback feedback;
  feedback.set_epoch(arguments.epoch);
  if (arguments.has_position) feedback.set_position(arguments.position + begin);
  feedback.set_attempt(1);
  feedback.set_step(arguments.step);
  feedback.set_index_width(4);
  feedback.set_indices(values.indices.substr(4 * begin, 4 * count));
  for (const auto& [name, bytes] : values.columns) {
    v1::FloatColumn* column = feedback.add_values();
    column->set_name(name);
    column->set_values(bytes.substr(4 * begin, 4 * count));
  }
  return feedback;
}

absl::Status Print(const v1::ReportFeedbackResponse& response, Context& context) {
  if (context.json()) {
    context.PrintJson(response);
    return absl::OkStatus();
  }
  Fields()
      .Add("applied", Thousands(response.applied_items()))
      .Add("already acknowledged", Thousands(response.already_acknowledged_items()))
      .Add("durability", EnumWord(v1::Durability_Name(response.durability()), "DURABILITY_"))
      .Add("score version", VersionText(response.score_version()))
      .Print(context.console());
  return absl::OkStatus();
}

absl::Status Report(const Arguments& arguments, Context& context) {
  SUBSET_ASSIGN_OR_RETURN(const Values values, arguments.values_file.empty()
                                                   ? FromLists(arguments)
                                                   : FromFile(arguments.values_file));
  SUBSET_ASSIGN_OR_RETURN(v1::Run run, context.FindRun(arguments.run));
  SUBSET_ASSIGN_OR_RETURN(Client * client, context.client());
  SUBSET_ASSIGN_OR_RETURN(const auto session, client->OpenFeedback(run.uid()));
  const v1::Durability durability =
      arguments.durability == "applied" ? v1::DURABILITY_APPLIED : v1::DURABILITY_DURABLE;
  v1::ReportFeedbackResponse total;
  const size_t items = values.indices.size() / 4;
  for (size_t begin = 0; begin < items; begin += kMaxFeedbackItems) {
    const size_t count = std::min<size_t>(items - begin, kMaxFeedbackItems);
    const auto response =
        session->Report({FeedbackOf(arguments, values, begin, count)}, durability);
    if (!response.ok()) {
      if (begin > 0) {
        context.console().err << "the first " << Thousands(begin) << " items were applied\n";
      }
      return absl::IsFailedPrecondition(response.status())
                 ? Suggest(response.status(),
                           absl::StrCat("subsetctl run describe ", arguments.run))
                 : response.status();
    }
    const uint32_t applied = total.applied_items() + response->applied_items();
    const uint32_t already =
        total.already_acknowledged_items() + response->already_acknowledged_items();
    total = *response;
    total.set_applied_items(applied);
    total.set_already_acknowledged_items(already);
  }
  return Print(total, context);
}

}  // namespace

void AddReportVerb(CLI::App& app, Context& context) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* report =
      app.add_subcommand("report", "Reports values of drawn samples, as a training job would");
  report->add_option("run", arguments->run, "the run")->required();
  AddNumber(*report, "-e,--epoch", arguments->epoch, "in which they were drawn")
      ->capture_default_str();
  auto* position = AddNumber(*report, "--position", arguments->position,
                             "of the first one; acknowledges this and those after it");
  AddNumber(*report, "--step", arguments->step, "the optimizer step")->capture_default_str();
  auto* values = report->add_option("--values", arguments->values_file,
                                    "a CSV file with the header index,loss or more columns");
  auto* indices = report->add_option("--indices", arguments->indices, "as 17,42,3");
  auto* loss = report->add_option("--loss", arguments->loss, "as 0.5,2,0.1");
  report->add_option("--durability", arguments->durability, "when it is answered")
      ->check(CLI::IsMember({"durable", "applied"}))
      ->capture_default_str();
  values->excludes(indices)->excludes(loss);
  indices->needs(loss);
  loss->needs(indices);
  report->callback([arguments, position, values, indices, &context] {
    if (values->count() + indices->count() == 0) {
      throw CLI::RequiredError("--values, or --indices and --loss");
    }
    arguments->has_position = position->count() > 0;
    context.action = [arguments, &context] { return Report(*arguments, context); };
  });
}

}  // namespace subset::ctl
