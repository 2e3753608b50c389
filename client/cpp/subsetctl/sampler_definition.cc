#include "client/cpp/subsetctl/sampler_definition.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/error.h"

namespace subset::ctl {
namespace {

// Collects what a textproto's parser complains about.
class FirstError final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string& message) override {
    if (text.empty()) text = absl::StrCat(line + 1, ":", column + 1, ": ", message);
  }
  std::string text;
};

}  // namespace

void SamplerDefinition::AddOptions(CLI::App& verb) {
  auto* of_preset = verb.add_option("--preset", preset, "see: subsetctl sampler presets");
  auto* of_spec = verb.add_option("--spec", spec_file,
                                  "FILE with a subset.v1.SamplerSpec in protobuf's text format");
  verb.add_option("-p,--parameter", parameters, "NAME=NUMBER of the preset")
      ->allow_extra_args(false)
      ->needs(of_preset);
  verb.add_option("--column", columns, "COLUMN of the preset's first role, or ROLE=COLUMN")
      ->needs(of_preset);
  of_preset->excludes(of_spec);
}

absl::Status SamplerDefinition::ReadSpec(v1::SamplerSpec* spec) const {
  std::ifstream file(spec_file);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return InvalidField("--spec", absl::StrCat("\"", spec_file, "\" cannot be read"));
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.ParseFromString(text.str(), spec)) return absl::OkStatus();
  return InvalidField("--spec", absl::StrCat(spec_file, ":", error.text));
}

absl::Status SamplerDefinition::ReadPreset(v1::PresetChoice* choice) const {
  choice->set_name(preset);
  for (const std::string& column : columns) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(column, absl::MaxSplits('=', 1));
    if (parts.second.empty()) {
      choice->set_column(column);
    } else if (!choice->mutable_columns()->insert({parts.first, parts.second}).second) {
      return InvalidField("--column", absl::StrCat("names ", parts.first, " twice"));
    }
  }
  for (const std::string& parameter : parameters) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    double value;
    if (parts.first.empty() || !absl::SimpleAtod(parts.second, &value)) {
      return InvalidField("-p", absl::StrCat("\"", parameter, "\" is not NAME=NUMBER"));
    }
    if (!choice->mutable_parameters()->insert({parts.first, value}).second) {
      return InvalidField("-p", absl::StrCat("names ", parts.first, " twice"));
    }
  }
  return absl::OkStatus();
}

}  // namespace subset::ctl
