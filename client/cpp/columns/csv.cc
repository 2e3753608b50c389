#include "client/cpp/columns/csv.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "client/cpp/columns/input_file.h"

namespace subset::columns {
namespace {

absl::Status Bad(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

bool IsNumber(absl::string_view text) {
  double value;
  return absl::SimpleAtod(absl::StripAsciiWhitespace(text), &value);
}

// Rows of a file, one after the other. Not thread-safe.
class Rows {
 public:
  static absl::StatusOr<Rows> Open(const std::string& path) {
    Rows rows;
    SUBSET_ASSIGN_OR_RETURN(rows.file_, InputFile::Open(path));
    std::string line;
    SUBSET_ASSIGN_OR_RETURN(const bool any, rows.file_->ReadLine(&line));
    if (!any || absl::StripAsciiWhitespace(line).empty()) {
      return Bad(path, "is empty or begins with an empty line");
    }
    SUBSET_ASSIGN_OR_RETURN(rows.header_, rows.Split(line));
    for (std::string& name : rows.header_) absl::StripAsciiWhitespace(&name);
    rows.is_list_ = rows.header_.size() == 1 && IsNumber(rows.header_[0]);
    return rows;
  }

  // One number per line, without a header.
  bool is_list() const { return is_list_; }
  const std::vector<std::string>& header() const { return header_; }
  size_t line_number() const { return file_->line_number(); }

  // Returns false at the end.
  absl::StatusOr<bool> Next(std::vector<std::string>* fields) {
    if (is_list_ && !std::exchange(first_given_, true)) {
      *fields = header_;
      return true;
    }
    std::string line;
    SUBSET_ASSIGN_OR_RETURN(const bool any, file_->ReadLine(&line));
    if (!any) return false;
    if (line.empty()) {
      SUBSET_ASSIGN_OR_RETURN(const bool more, file_->ReadLine(&line));
      if (!more) return false;
      return Bad(file_->path(), absl::StrCat("line ", line_number() - 1, " is empty"));
    }
    SUBSET_ASSIGN_OR_RETURN(*fields, Split(line));
    if (fields->size() != header_.size()) {
      return Bad(file_->path(),
                 absl::StrCat("line ", line_number(), " has ", fields->size(), " fields where ",
                              is_list_ ? "the first line" : "the header", " has ", header_.size()));
    }
    return true;
  }

 private:
  absl::StatusOr<std::vector<std::string>> Split(const std::string& line) {
    auto fields = SplitCsvLine(line);
    if (!fields.ok()) {
      return Bad(file_->path(),
                 absl::StrCat("line ", line_number(), ": ", fields.status().message()));
    }
    return fields;
  }

  std::unique_ptr<InputFile> file_;
  std::vector<std::string> header_;
  bool is_list_ = false;
  bool first_given_ = false;
};

// What the values of one column have in common.
class TypeFinder {
 public:
  void See(absl::string_view text) {
    int64_t value;
    if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(text), &value)) {
      integers_ = false;
      return;
    }
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }
  v1::ColumnType Type() const {
    if (!integers_) return v1::COLUMN_TYPE_FLOAT32;
    if (min_ < 0 || max_ > std::numeric_limits<uint32_t>::max()) return v1::COLUMN_TYPE_INT64;
    if (max_ > std::numeric_limits<uint16_t>::max()) return v1::COLUMN_TYPE_UINT32;
    if (max_ > std::numeric_limits<uint8_t>::max()) return v1::COLUMN_TYPE_UINT16;
    return v1::COLUMN_TYPE_UINT8;
  }

 private:
  bool integers_ = true;
  int64_t min_ = 0;
  int64_t max_ = 0;
};

// Returns where each column stands in a row.
absl::StatusOr<std::vector<size_t>> Locate(const std::string& path, const Rows& rows,
                                           const std::vector<CsvRequest>& requests) {
  if (rows.is_list()) {
    if (requests.size() == 1) return std::vector<size_t>{0};
    return Bad(path, "has no header, so it can give one column only");
  }
  std::vector<size_t> places;
  for (const CsvRequest& request : requests) {
    const auto& header = rows.header();
    const auto found = std::find(header.begin(), header.end(), request.header);
    if (found == header.end()) {
      return Bad(path, absl::StrCat("has no column \"", request.header, "\"; it has: ",
                                    absl::CHexEscape(absl::StrJoin(header, ", ").substr(0, 300))));
    }
    if (std::count(header.begin(), header.end(), request.header) > 1) {
      return Bad(path, absl::StrCat("has two columns \"", request.header, "\""));
    }
    places.push_back(static_cast<size_t>(found - header.begin()));
  }
  return places;
}

absl::Status FindTypes(const std::string& path, absl::Span<const size_t> places,
                       std::vector<CsvRequest>* requests) {
  SUBSET_ASSIGN_OR_RETURN(Rows rows, Rows::Open(path));
  std::vector<TypeFinder> finders(requests->size());
  std::vector<std::string> fields;
  while (true) {
    SUBSET_ASSIGN_OR_RETURN(const bool any, rows.Next(&fields));
    if (!any) break;
    for (size_t i = 0; i < places.size(); ++i) finders[i].See(fields[places[i]]);
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (!(*requests)[i].type.has_value()) (*requests)[i].type = finders[i].Type();
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitCsvLine(absl::string_view line) {
  std::vector<std::string> fields;
  for (size_t at = 0;; ++at) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      bool closed = false;
      for (++at; at < line.size() && !closed; ++at) {
        if (line[at] != '"') {
          field += line[at];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          field += line[++at];
        } else {
          closed = true;
        }
      }
      if (!closed) return absl::InvalidArgumentError("a quote is not closed on the line");
      if (at < line.size() && line[at] != ',') {
        return absl::InvalidArgumentError("text follows a closing quote");
      }
    } else {
      const size_t end = std::min(line.find(',', at), line.size());
      field = std::string(line.substr(at, end - at));
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return fields;
  }
}

absl::StatusOr<std::vector<NamedColumn>> ReadCsv(const std::string& path,
                                                 std::vector<CsvRequest> requests,
                                                 bool allow_missing) {
  SUBSET_ASSIGN_OR_RETURN(Rows rows, Rows::Open(path));
  if (requests.empty() && !rows.is_list()) {
    for (const std::string& name : rows.header()) requests.push_back({name, name, std::nullopt});
  }
  SUBSET_ASSIGN_OR_RETURN(const std::vector<size_t> places, Locate(path, rows, requests));
  if (std::any_of(requests.begin(), requests.end(),
                  [](const CsvRequest& request) { return !request.type.has_value(); })) {
    SUBSET_RETURN_IF_ERROR(FindTypes(path, places, &requests));
  }
  std::vector<NamedColumn> columns;
  for (const CsvRequest& request : requests) {
    columns.push_back({request.name, ColumnValues(*request.type, allow_missing)});
  }
  std::vector<std::string> fields;
  while (true) {
    SUBSET_ASSIGN_OR_RETURN(const bool any, rows.Next(&fields));
    if (!any) return columns;
    for (size_t i = 0; i < columns.size(); ++i) {
      const absl::Status status = columns[i].values.AppendText(fields[places[i]]);
      if (!status.ok()) {
        return Bad(path, absl::StrCat("line ", rows.line_number(), ", column \"", columns[i].name,
                                      "\": ", status.message()));
      }
    }
  }
}

}  // namespace subset::columns
