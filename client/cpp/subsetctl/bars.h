// Histograms for people: a table whose last column is a bar for each row.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_BARS_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_BARS_H_

#include <string>
#include <vector>

#include "client/cpp/subsetctl/console.h"
#include "client/cpp/subsetctl/table.h"

namespace subset::ctl {

// A bar `length` of `width` characters long, length in [0, 1]: in eighths of a block, or in whole
// '#' where it is `plain`. What is above 0 shows at least the smallest piece.
std::string Bar(double length, size_t width, bool plain);

// Not thread-safe.
class BarTable {
 public:
  explicit BarTable(std::vector<Table::Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell per column; length is finite and >= 0.
  void AddRow(std::vector<std::string> cells, double length);

  // As Table::Print. The longest bar takes what the other columns leave of the terminal (of 80
  // characters where there is none), at least 8 and at most 60 characters; blocks are for
  // terminals only.
  void Print(Console& console) const;

 private:
  const std::vector<Table::Column> columns_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<double> lengths_;
};

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_BARS_H_
