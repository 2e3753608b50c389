#include "sampling/leaf.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "gtest/gtest.h"

namespace subset::sampling {
namespace {

Leaf Encode(double weight) {
  bool clamped = false;
  const Leaf leaf = EncodeLeaf(weight, &clamped);
  EXPECT_FALSE(clamped) << weight;
  return leaf;
}

TEST(LeafTest, EveryLeafSurvivesARoundTripAndOrderIsKept) {
  for (uint32_t leaf = 0; leaf < 65536; ++leaf) {
    ASSERT_EQ(Encode(LeafWeight(static_cast<Leaf>(leaf))), leaf);
    if (leaf > 0) {
      ASSERT_GT(LeafWeight(static_cast<Leaf>(leaf)), LeafWeight(static_cast<Leaf>(leaf - 1)));
    }
    if (leaf < 8192) {
      ASSERT_EQ(LeafWeight(static_cast<Leaf>(leaf)), leaf);
    }
  }
  EXPECT_EQ(LeafWeight(65535), kMaxLeafWeight);
  EXPECT_EQ(kMaxLeafWeight, (1u << 27) - (1u << 14));
}

TEST(LeafTest, EncodesToTheNearestWithTiesToEven) {
  for (uint32_t leaf = 1; leaf < 65535; ++leaf) {
    const double low = LeafWeight(static_cast<Leaf>(leaf));
    const double high = LeafWeight(static_cast<Leaf>(leaf + 1));
    const double middle = (low + high) / 2;
    ASSERT_EQ(Encode(middle), leaf % 2 == 0 ? leaf : leaf + 1) << leaf;
    ASSERT_EQ(Encode(std::nextafter(middle, 0)), leaf);
    ASSERT_EQ(Encode(std::nextafter(middle, high)), leaf + 1);
  }
}

TEST(LeafTest, PositiveNeverBecomesZeroAndTheTopIsClamped) {
  EXPECT_EQ(Encode(0), 0);
  EXPECT_EQ(Encode(-1), 0);
  EXPECT_EQ(Encode(std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(Encode(std::numeric_limits<double>::denorm_min()), 1);
  EXPECT_EQ(Encode(0.5), 1);
  EXPECT_EQ(Encode(kMaxLeafWeight), 65535);
  for (const double weight : {std::nextafter(double{kMaxLeafWeight}, 1e300), 1e300,
                              std::numeric_limits<double>::infinity()}) {
    bool clamped = false;
    EXPECT_EQ(EncodeLeaf(weight, &clamped), 65535);
    EXPECT_TRUE(clamped);
  }
}

}  // namespace
}  // namespace subset::sampling
