#include "client/cpp/subsetctl/bars.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace subset::ctl {
namespace {

constexpr size_t kDefaultColumns = 80;
constexpr size_t kShortest = 8;
constexpr size_t kLongest = 60;

}  // namespace

std::string Bar(double length, size_t width, bool plain) {
  if (!(length > 0)) return "";
  const double cells = std::min(length, 1.0) * static_cast<double>(width);
  if (plain) return std::string(std::max<size_t>(1, std::lround(cells)), '#');
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const size_t eighths = std::max<size_t>(1, std::lround(cells * 8));
  std::string bar;
  for (size_t i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kEighths[eighths % 8];
}

void BarTable::AddRow(std::vector<std::string> cells, double length) {
  rows_.push_back(std::move(cells));
  lengths_.push_back(length);
}

void BarTable::Print(Console& console) const {
  Table without(columns_);
  for (const auto& row : rows_) without.AddRow(row);
  const size_t columns = console.columns > 0 ? console.columns : kDefaultColumns;
  const size_t taken = without.Width() + 2;
  const size_t left = columns > taken ? columns - taken : 0;
  const size_t width = std::clamp(left, kShortest, kLongest);
  double longest = 0;
  for (const double length : lengths_) longest = std::max(longest, length);

  std::vector<Table::Column> with = columns_;
  with.push_back({""});
  Table table(with);
  for (size_t i = 0; i < rows_.size(); ++i) {
    std::vector<std::string> cells = rows_[i];
    cells.push_back(Bar(longest > 0 ? lengths_[i] / longest : 0, width, !console.rich));
    table.AddRow(std::move(cells));
  }
  table.Print(console);
}

}  // namespace subset::ctl
