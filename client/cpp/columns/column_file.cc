#include "client/cpp/columns/column_file.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "client/cpp/columns/idx.h"
#include "client/cpp/columns/input_file.h"
#include "client/cpp/columns/npy.h"

namespace subset::columns {
namespace {

enum class Format { kNpy, kIdx, kText };

absl::StatusOr<Format> FindFormat(const std::string& path) {
  SUBSET_ASSIGN_OR_RETURN(const auto file, InputFile::Open(path));
  char start[6];
  SUBSET_ASSIGN_OR_RETURN(const size_t got, file->Read(start, sizeof(start)));
  const absl::string_view bytes(start, got);
  if (bytes == kNpyMagic) return Format::kNpy;
  if (absl::StartsWith(bytes, absl::string_view("\0\0", 2))) return Format::kIdx;
  return Format::kText;
}

}  // namespace

absl::StatusOr<ColumnChoice> ParseColumnChoice(const std::string& text) {
  ColumnChoice choice;
  std::string name = text.substr(0, text.find('='));
  if (name.size() < text.size()) {
    choice.file = text.substr(name.size() + 1);
    const size_t hash = choice.file.rfind('#');
    if (hash != std::string::npos) {
      choice.request.header = choice.file.substr(hash + 1);
      choice.file.resize(hash);
    }
    if (choice.file.empty()) {
      return InvalidField("--column", absl::StrCat("\"", text, "\" has no file after the ="));
    }
  }
  const size_t colon = name.find(':');
  if (colon != std::string::npos) {
    choice.request.type = ParseType(name.substr(colon + 1));
    if (!choice.request.type.has_value()) {
      return InvalidField("--column",
                          absl::StrCat("\"", text, "\": type \"", name.substr(colon + 1),
                                       "\" is none of u8, u16, u32, i64, f32, f64, set"));
    }
    name.resize(colon);
  }
  SUBSET_RETURN_IF_ERROR(ValidateName("--column", name));
  choice.request.name = name;
  if (choice.request.header.empty()) choice.request.header = name;
  return choice;
}

absl::StatusOr<std::vector<NamedColumn>> ReadColumnFile(const std::string& path,
                                                        const std::vector<CsvRequest>& requests,
                                                        bool allow_missing) {
  SUBSET_ASSIGN_OR_RETURN(const Format format, FindFormat(path));
  if (format == Format::kText) return ReadCsv(path, requests, allow_missing);
  if (requests.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": holds one array and cannot give ", requests.size(), " columns"));
  }
  const CsvRequest request = requests.empty() ? CsvRequest{"label", "label", {}} : requests[0];
  SUBSET_ASSIGN_OR_RETURN(const auto file, InputFile::Open(path));
  SUBSET_ASSIGN_OR_RETURN(ColumnValues values, format == Format::kNpy
                                                   ? ReadNpy(*file, request.type, allow_missing)
                                                   : ReadIdx(*file, request.type));
  std::vector<NamedColumn> columns;
  columns.push_back({request.name, std::move(values)});
  return columns;
}

}  // namespace subset::columns
