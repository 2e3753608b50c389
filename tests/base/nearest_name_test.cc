#include "base/nearest_name.h"

#include <vector>

#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(NearestNameTest, TheDistanceIsTheFewestEdits) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("lable", "label"), 2);
  EXPECT_EQ(EditDistance("abc", "abc"), 0);
}

TEST(NearestNameTest, TheFirstOfTheNearestIsNamed) {
  const std::vector<std::string> known = {"alpha", "beta", "betb"};
  EXPECT_EQ(NearestName("alpah", known), "alpha");
  EXPECT_EQ(NearestName("betx", known), "beta");
  EXPECT_EQ(NearestName("x", std::vector<std::string>{}), "");
}

TEST(NearestNameTest, AnUnknownNameIsShownWithItsNeighbourAndNeverWhole) {
  const std::vector<std::string> known = {"alpha"};
  EXPECT_EQ(UnknownName("number", "alhpa", known),
            "\"alhpa\" is not a number; did you mean \"alpha\"?");
  EXPECT_EQ(UnknownName("number", "x", std::vector<std::string>{}), "\"x\" is not a number");
  EXPECT_LT(UnknownName("number", std::string(100000, 'x'), known).size(), 200);
}

}  // namespace
}  // namespace subset
