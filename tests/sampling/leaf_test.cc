#include "sampling/leaf.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "gtest/gtest.h"
#include "sampling/philox.h"

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

uint64_t Bits(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// Leaves are computed again when a log is replayed, so these bits never change.
TEST(PortableMathTest, BitsAreFrozen) {
  struct Case {
    double x;
    double y;
  };
  for (const Case& c :
       {Case{0.5, 0x1.6a09e667f3bccp+0}, Case{1, 2}, Case{0, 1}, Case{-0.3, 0x1.9fdf8bcce533ep-1},
        Case{10.7, 0x1.9fdf8bcce533ap+10}, Case{-1022.5, 0x0.b504f333f9de6p-1022},
        Case{-1074, 0x1p-1074}, Case{1023.99, 0x1.fc769e9b9c396p+1023}, Case{1e-17, 1},
        Case{3.25, 0x1.306fe0a31b715p+3}}) {
    EXPECT_EQ(Bits(PortableExp2(c.x)), Bits(c.y)) << c.x;
  }
  for (const Case& c :
       {Case{0x1p-1074, -1074}, Case{0.1, -0x1.a934f0979a371p+1}, Case{0.7, -0x1.0776228967d13p-1},
        Case{0.75, -0x1.a8ff971810a5dp-2}, Case{1, 0}, Case{1.0000001, 0x1.35d0fea5fccb6p-23},
        Case{3, 0x1.95c01a39fbd69p+0}, Case{10, 0x1.a934f0979a371p+1},
        Case{12345.678, 0x1.b2ef5b86e63dp+3}, Case{1.7e308, 0x1.fff5ae814b54ap+9}}) {
    EXPECT_EQ(Bits(PortableLog2(c.x)), Bits(c.y)) << c.x;
  }
  EXPECT_EQ(Bits(PortablePow(2.302585, 0.6)), Bits(0x1.a63fed81b41d5p+0));
  EXPECT_EQ(Bits(PortablePow(0.001, 0.7)), Bits(0x1.044914f3c02b1p-7));
  EXPECT_EQ(Bits(PortablePow(17.5, 1)), Bits(17.5));
  EXPECT_EQ(Bits(PortablePow(1e-9, 0.5)), Bits(0x1.09456549be1bap-15));
  EXPECT_EQ(Bits(PortablePow(123.456, 2.5)), Bits(0x1.4ac21590dc04cp+17));
  EXPECT_EQ(Bits(PortablePow(0.3, 0.1)), Bits(0x1.c5ec42b8b4a19p-1));
}

TEST(PortableMathTest, ErrorsStayWithinTheirBounds) {
  const PhiloxKey key = {1, 2};
  for (uint64_t i = 0; i < 300000; ++i) {
    const PhiloxBlock block = Philox(key, i);
    const double u = ToUnitDouble(BlockLow(block));
    const double v = ToUnitDouble(BlockHigh(block));

    const double x = i % 2 == 0 ? 2040 * u - 1020 : 2 * u - 1;
    const long double power = std::exp2(static_cast<long double>(x));
    ASSERT_LT(std::abs((PortableExp2(x) - power) / power), 1e-15L) << x;

    // All magnitudes, then those around 1 where the logarithm itself is small.
    const double y = i % 2 == 0 ? std::ldexp(1 + v, static_cast<int>(2000 * u) - 1000)
                                : 1 + (v - 0.5) * (i % 4 == 1 ? 1 : 1e-6);
    const double log = PortableLog2(y);
    const double ulp = std::nextafter(std::abs(log), INFINITY) - std::abs(log);
    ASSERT_LE(std::abs(log - std::log2(static_cast<long double>(y))), 1e-15L + ulp) << y;

    const double base = std::ldexp(1 + u, static_cast<int>(v * 40) - 20);
    const double exponent = 3 * v;
    const long double result =
        std::pow(static_cast<long double>(base), static_cast<long double>(exponent));
    ASSERT_LT(std::abs((PortablePow(base, exponent) - result) / result), 1e-13L)
        << base << "^" << exponent;
  }
}

TEST(PortableMathTest, EdgesAreThoseOfTheStandardExceptZeroToTheZero) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(PortableExp2(1024), kInfinity);
  EXPECT_EQ(PortableExp2(kInfinity), kInfinity);
  EXPECT_EQ(PortableExp2(-1080), 0);
  EXPECT_EQ(PortableExp2(-kInfinity), 0);
  EXPECT_TRUE(std::isnan(PortableExp2(std::nan(""))));
  EXPECT_EQ(PortableLog2(0), -kInfinity);
  EXPECT_EQ(PortableLog2(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(PortableLog2(-1)));
  EXPECT_TRUE(std::isnan(PortableLog2(std::nan(""))));
  EXPECT_EQ(PortablePow(0, 0), 0);
  EXPECT_EQ(PortablePow(0, 0.6), 0);
  EXPECT_EQ(PortablePow(5, 0), 1);
  EXPECT_EQ(PortablePow(0.1, 1), 0.1);
  for (int e = -1074; e < 1024; ++e) {
    ASSERT_EQ(PortableExp2(e), std::ldexp(1.0, e));
    ASSERT_EQ(PortableLog2(std::ldexp(1.0, e)), e);
  }
}

}  // namespace
}  // namespace subset::sampling
