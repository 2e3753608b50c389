#include "client/cpp/subsetctl/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"

namespace subset::ctl {
namespace {

// Characters, not bytes, of UTF-8 text.
size_t CharactersOf(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Cut(const std::string& text, size_t width) {
  if (width == 0 || CharactersOf(text) <= width) return text;
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

std::vector<size_t> Table::Widths() const {
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(CharactersOf(columns_[i].title));
    for (const auto& row : rows_) widths.back() = std::max(widths.back(), CharactersOf(row[i]));
  }
  return widths;
}

size_t Table::Width() const {
  const std::vector<size_t> widths = Widths();
  return std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
}

void Table::Print(Console& console) const {
  std::vector<std::string> titles;
  bool has_titles = false;
  for (const Column& column : columns_) {
    titles.push_back(column.title);
    has_titles |= !column.title.empty();
  }
  const std::vector<size_t> widths = Widths();
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text;
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += "  ";
      const std::string blanks(widths[i] - CharactersOf(cells[i]), ' ');
      text += columns_[i].align == Align::kRight ? blanks + cells[i] : cells[i] + blanks;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return Cut(text, static_cast<size_t>(console.columns));
  };
  if (has_titles) {
    console.out << (console.rich ? "\033[1m" : "") << line(titles)
                << (console.rich ? "\033[0m" : "") << "\n";
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
