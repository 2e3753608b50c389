#include "client/cpp/subsetctl/table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"

namespace subset::ctl {
namespace {

// Characters, not bytes, of UTF-8 text.
size_t Width(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Cut(const std::string& text, size_t width) {
  if (width == 0 || Width(text) <= width) return text;
  size_t end = 0;
  for (size_t seen = 0; end < text.size(); ++end) {
    if ((text[end] & 0xC0) != 0x80 && seen++ == width - 1) break;
  }
  return text.substr(0, end) + "…";
}

std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  return text;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  SUBSET_CHECK(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = Printable(std::move(cell));
  rows_.push_back(std::move(cells));
}

void Table::Print(Console& console) const {
  std::vector<std::string> titles;
  std::vector<size_t> widths;
  bool has_titles = false;
  for (size_t i = 0; i < columns_.size(); ++i) {
    titles.push_back(columns_[i].title);
    has_titles |= !titles.back().empty();
    widths.push_back(Width(titles.back()));
    for (const auto& row : rows_) widths.back() = std::max(widths.back(), Width(row[i]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += "  ";
      const std::string blanks(widths[i] - Width(cells[i]), ' ');
      text += columns_[i].align == Align::kRight ? blanks + cells[i] : cells[i] + blanks;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return Cut(text, static_cast<size_t>(console.columns));
  };
  if (has_titles) {
    console.out << (console.bold_titles ? "\033[1m" : "") << line(titles)
                << (console.bold_titles ? "\033[0m" : "") << "\n";
  }
  for (const auto& row : rows_) console.out << line(row) << "\n";
}

Fields& Fields::Add(const std::string& name, const std::string& value) {
  table_.AddRow({name, value});
  return *this;
}

std::string Thousands(uint64_t value) {
  std::string text = absl::StrCat(value);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<size_t>(at), ",");
  }
  return text;
}

std::string Decimal(double value) { return absl::StrFormat("%g", value); }

}  // namespace subset::ctl
