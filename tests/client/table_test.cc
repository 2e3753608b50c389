#include "client/cpp/subsetctl/table.h"

#include <cmath>
#include <limits>
#include <sstream>

#include "client/cpp/subsetctl/json.h"
#include "client/cpp/subsetctl/progress.h"
#include "gtest/gtest.h"

namespace subset::ctl {
namespace {

TEST(TableTest, NumbersStandRightAndLinesEndWithoutBlanks) {
  std::istringstream in;
  std::ostringstream out, err;
  Console console{in, out, err};
  Table table({{"NAME"}, {"N", Align::kRight}, {"NOTE"}});
  table.AddRow({"a", "1,000", ""});
  table.AddRow({"größe", "7", "x\033[2Jy\n"});
  table.Print(console);
  EXPECT_EQ(out.str(),
            "NAME       N  NOTE\n"
            "a      1,000\n"
            "größe      7  x?[2Jy?\n");
}

TEST(ThousandsTest, GroupsByThree) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(1281167), "1,281,167");
  EXPECT_EQ(Thousands(std::numeric_limits<uint64_t>::max()), "18,446,744,073,709,551,615");
}

TEST(BytesTest, TakesTheLargestUnitAtOrBelow) {
  EXPECT_EQ(Bytes(0), "0 B");
  EXPECT_EQ(Bytes(1023), "1023 B");
  EXPECT_EQ(Bytes(1024), "1.0 KiB");
  EXPECT_EQ(Bytes(61440), "60.0 KiB");
  EXPECT_EQ(Bytes(uint64_t{5} << 40), "5.0 TiB");
}

TEST(JsonTest, NumbersReadBackAndTextIsEscaped) {
  EXPECT_EQ(JsonNumber(0.1f), "0.1");
  EXPECT_EQ(JsonNumber(0.1), "0.1");
  EXPECT_EQ(JsonNumber(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(JsonNumber(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(JsonNumber(std::nan("")), "null");
  EXPECT_EQ(JsonNumber(-INFINITY), "null");
  EXPECT_EQ(JsonNumbers(std::vector<int>{}), "[]");
  EXPECT_EQ(JsonString("a\"\\\n\x01"), "\"a\\\"\\\\\\u000a\\u0001\"");
  EXPECT_EQ(JsonArray({"1", "\"x\""}), "[1, \"x\"]");
}

TEST(ProgressTest, IsSilentUnlessOnATerminal) {
  for (bool show : {false, true}) {
    std::istringstream in;
    std::ostringstream out, err;
    Console console{in, out, err};
    console.show_progress = show;
    {
      Progress progress(console, "importing x");
      progress.Show(512, 1024);
      progress.Show(1024, 1024);
    }
    EXPECT_EQ(out.str(), "");
    EXPECT_EQ(err.str().empty(), !show);
    if (show) {
      EXPECT_NE(err.str().find("importing x  512 B of 1.0 KiB  50 %"), std::string::npos);
      EXPECT_NE(err.str().find("100 %"), std::string::npos);
      EXPECT_EQ(err.str().substr(err.str().size() - 4), "\r\033[K") << "the line is cleared";
    }
  }
}

}  // namespace
}  // namespace subset::ctl
