#include "client/cpp/subsetctl/bars.h"

#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace subset::ctl {
namespace {

TEST(BarTest, BlocksAreInEighthsAndPlainBarsInWholeCharacters) {
  EXPECT_EQ(Bar(1, 4, /*plain=*/false), "████");
  EXPECT_EQ(Bar(.5, 5, /*plain=*/false), "██▌");
  EXPECT_EQ(Bar(1. / 32, 4, /*plain=*/false), "▏");
  EXPECT_EQ(Bar(1, 4, /*plain=*/true), "####");
  EXPECT_EQ(Bar(.5, 6, /*plain=*/true), "###");
}

TEST(BarTest, WhatIsThereIsSeenAndWhatIsNotIsNot) {
  EXPECT_EQ(Bar(1e-9, 10, /*plain=*/false), "▏");
  EXPECT_EQ(Bar(1e-9, 10, /*plain=*/true), "#");
  EXPECT_EQ(Bar(0, 10, /*plain=*/false), "");
  EXPECT_EQ(Bar(2, 3, /*plain=*/true), "###");
}

std::string Printed(int columns, bool rich, double small) {
  std::istringstream in;
  std::ostringstream out, err;
  Console console{in, out, err};
  console.columns = columns;
  console.rich = rich;
  BarTable table({{"WHAT"}, {"N", Align::kRight}});
  table.AddRow({"one", "10"}, 2);
  table.AddRow({"two", "5"}, small);
  table.Print(console);
  return out.str();
}

TEST(BarTableTest, TheLongestBarTakesWhatTheTerminalHasLeft) {
  EXPECT_EQ(Printed(20, false, 1),
            "WHAT   N\n"
            "one   10  ##########\n"
            "two    5  #####\n");
  EXPECT_EQ(Printed(20, true, 1),
            "\033[1mWHAT   N\033[0m\n"
            "one   10  ██████████\n"
            "two    5  █████\n");
}

TEST(BarTableTest, LinesStayWithinNarrowWideAndNoTerminals) {
  EXPECT_EQ(Printed(12, false, 0),
            "WHAT   N\n"
            "one   10  #…\n"
            "two    5\n");
  EXPECT_EQ(Printed(1000, false, 0),
            "WHAT   N\n"
            "one   10  " +
                std::string(60, '#') + "\ntwo    5\n");
  EXPECT_EQ(Printed(0, false, 0), Printed(80, false, 0));
}

TEST(BarTableTest, RowsOfNothingHaveNoBar) {
  std::istringstream in;
  std::ostringstream out, err;
  Console console{in, out, err};
  BarTable table({{"WHAT"}});
  table.AddRow({"none"}, 0);
  table.Print(console);
  EXPECT_EQ(out.str(), "WHAT\nnone\n");
}

}  // namespace
}  // namespace subset::ctl
