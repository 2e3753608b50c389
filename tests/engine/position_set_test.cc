#include "engine/position_set.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(PositionSetTest, EqualsABitmapUnderRandomOperations) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    PositionSet set;
    std::vector<bool> bitmap(200);
    for (int operation = 0; operation < 300; ++operation) {
      const uint64_t begin = random() % 200;
      const uint64_t end = begin + random() % (200 - begin + 1) / (1 + random() % 8);
      uint64_t expected = 0;
      for (uint64_t i = begin; i < end; ++i) expected += bitmap[i] ? 1 : 0;
      ASSERT_EQ(set.CountIn(begin, end), expected);
      std::vector<bool> gaps(200);
      for (const Block& gap : set.Gaps(begin, end)) {
        ASSERT_TRUE(begin <= gap.begin && gap.begin < gap.end && gap.end <= end);
        ASSERT_TRUE(gap.begin == begin || bitmap[gap.begin - 1]) << "gaps are whole";
        for (uint64_t i = gap.begin; i < gap.end; ++i) gaps[i] = true;
      }
      for (uint64_t i = begin; i < end; ++i) ASSERT_EQ(gaps[i], !bitmap[i]);
      uint64_t first = begin;
      while (first < 200 && bitmap[first]) ++first;
      ASSERT_EQ(set.FirstGap(begin), first);
      if (random() % 4 != 0) continue;
      set.Add(begin, end);
      for (uint64_t i = begin; i < end; ++i) bitmap[i] = true;
      ASSERT_EQ(set.size(), static_cast<uint64_t>(std::count(bitmap.begin(), bitmap.end(), true)));
    }
  }
}

TEST(PositionSetTest, NeighboursBecomeOneInterval) {
  PositionSet set;
  set.Add(0, 10);
  set.Add(20, 30);
  set.Add(10, 20);
  EXPECT_EQ(set.intervals().size(), 1u);
  EXPECT_EQ(set.size(), 30u);
  set.Add(5, 5);
  EXPECT_EQ(set.size(), 30u);
}

}  // namespace
}  // namespace subset
