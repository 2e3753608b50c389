#include "sampling/strata.h"

#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/range_lookup.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

template <typename T>
class StrataTest : public ::testing::Test {};
using Types = ::testing::Types<uint8_t, uint16_t, uint32_t, int64_t>;
TYPED_TEST_SUITE(StrataTest, Types);

TYPED_TEST(StrataTest, SortsByValueThenIndexAsAMapDoes) {
  std::mt19937_64 random(1);
  std::vector<TypeParam> values(kChunkSamples * 2 + 77);
  const std::vector<TypeParam> kinds = {0, 3, 200, std::numeric_limits<TypeParam>::max(),
                                        std::numeric_limits<TypeParam>::min()};
  for (TypeParam& value : values) value = kinds[random() % kinds.size()];
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(values));

  std::map<TypeParam, std::vector<uint32_t>> oracle;
  for (uint32_t i = 0; i < values.size(); ++i) oracle[values[i]].push_back(i);
  ASSERT_EQ(strata->values.size(), oracle.size());
  ASSERT_EQ(strata->offsets.size(), oracle.size() + 1);
  size_t g = 0;
  for (const auto& [value, members] : oracle) {
    EXPECT_EQ(strata->values[g], static_cast<int64_t>(value));
    ASSERT_EQ(strata->count(g), members.size());
    EXPECT_TRUE(
        std::equal(members.begin(), members.end(), strata->members.begin() + strata->offsets[g]));
    ++g;
  }
}

TEST(StrataLimitTest, AsManyValuesAsTheLimitAreFineAndOneMoreIsRefused) {
  std::vector<int64_t> values(kMaxStrata);
  std::iota(values.begin(), values.end(), -1000);
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(values));
  EXPECT_EQ(strata->values.size(), kMaxStrata);
  EXPECT_EQ(strata->values[0], -1000);

  values.push_back(1 << 20);
  const auto refused = StrataOf(values);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                ::testing::HasSubstr("more than 65536 distinct values")));
  EXPECT_THAT(refused, FieldIs("proportion.column"));
}

TEST(StrataLimitTest, NoSamplesGiveNoStrata) {
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(std::vector<uint8_t>{}));
  EXPECT_TRUE(strata->values.empty());
  EXPECT_EQ(strata->offsets, std::vector<uint64_t>{0});
}

TEST(RangeLookupTest, FindsTheRangeOfEveryNumberEmptyRangesIncluded) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint64_t> bounds = {0};
    const size_t ranges = 1 + random() % 40;
    for (size_t g = 0; g < ranges; ++g) {
      const uint64_t width = random() % 3 == 0 ? 0 : random() % (random() % 2 == 0 ? 4 : 300);
      bounds.push_back(bounds.back() + width);
    }
    const RangeLookup lookup(bounds);
    size_t g = 0;
    for (uint64_t x = 0; x < lookup.total(); ++x) {
      while (bounds[g + 1] <= x) ++g;
      ASSERT_EQ(lookup.Find(x), g) << "x = " << x;
    }
  }
}

}  // namespace
}  // namespace subset::sampling
