// Tables for people: columns apart by two spaces, numbers to the right.

#ifndef SUBSET_CLIENT_CPP_SUBSETCTL_TABLE_H_
#define SUBSET_CLIENT_CPP_SUBSETCTL_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/cpp/subsetctl/console.h"

namespace subset::ctl {

enum class Align { kLeft, kRight };

// Not thread-safe.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // REQUIRES: one cell per column.
  void AddRow(std::vector<std::string> cells);

  // Writes the titles (unless all are empty) and the rows to `console.out`. No blanks at line ends;
  // control characters are shown as '?', so that a hostile value cannot move the cursor.
  void Print(Console& console) const;

  // Characters of its longest line.
  size_t Width() const;

 private:
  std::vector<size_t> Widths() const;  // of the columns

  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// A table of names and values, for one object.
class Fields {
 public:
  Fields& Add(const std::string& name, const std::string& value);
  void Print(Console& console) const { table_.Print(console); }

 private:
  Table table_{{{""}, {""}}};
};

// 1281167 -> "1,281,167".
std::string Thousands(uint64_t value);

// Six significant digits, as in "0.0123457".
std::string Decimal(double value);

}  // namespace subset::ctl

#endif  // SUBSET_CLIENT_CPP_SUBSETCTL_TABLE_H_
