#include "sampling/philox.h"

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;

// kat_vectors of the authors' Random123 distribution, philox4x32 with 10 rounds.
TEST(PhiloxTest, GivesThePublishedKnownAnswers) {
  EXPECT_THAT(Philox({0, 0}, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(Philox({0xffffffff, 0xffffffff}, ~uint64_t{0}, ~uint64_t{0}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(Philox({0xa4093822, 0x299f31d0}, 0x85a308d3243f6a88, 0x0370734413198a2e),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(PhiloxTest, FillEqualsSingleBlocksOnEveryPathAndLength) {
  const PhiloxKey key = {0x12345678, 0x9abcdef0};
  for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    const ScopedSimdLimit limit(level);
    for (const uint64_t first : {uint64_t{0}, uint64_t{0xfffffff8}, ~uint64_t{0} - 7}) {
      for (size_t length = 0; length < 80; ++length) {
        std::vector<PhiloxBlock> blocks(length + 1, PhiloxBlock{1, 2, 3, 4});
        PhiloxFill(key, first, 0x100000005, absl::MakeSpan(blocks).first(length));
        for (size_t i = 0; i < length; ++i) {
          ASSERT_EQ(blocks[i], Philox(key, first + i, 0x100000005)) << first << " + " << i;
        }
        ASSERT_EQ(blocks[length], (PhiloxBlock{1, 2, 3, 4}));
      }
    }
  }
}

// The keys are part of the format: a stored plan is replayed from them.
TEST(DeriveKeyTest, IsFrozen) {
  EXPECT_THAT(DeriveKey({}, Purpose::kSlotOrder), ElementsAre(0xdca659e2, 0x39bbf93));
  EXPECT_THAT(DeriveKey({7, 3, 0x100000002}, Purpose::kDraw, 0x500000004),
              ElementsAre(0x8d5cca18, 0x601f0b7d));
}

TEST(DeriveKeyTest, EveryPartOfTheAddressChangesTheKey) {
  std::set<PhiloxKey> keys;
  size_t expected = 0;
  for (const uint64_t seed : {0ull, 1ull, 1ull << 32}) {
    for (const uint64_t version : {0ull, 1ull, 1ull << 32}) {
      for (const uint64_t epoch : {0ull, 1ull, 1ull << 32}) {
        for (const Purpose purpose : {Purpose::kSlotOrder, Purpose::kDraw}) {
          for (const uint64_t sub : {0ull, 1ull, 1ull << 32}) {
            keys.insert(DeriveKey({seed, version, epoch}, purpose, sub));
            ++expected;
          }
        }
      }
    }
  }
  EXPECT_EQ(keys.size(), expected);
}

TEST(UniformIntTest, StaysInRangeForExtremeRanges) {
  const PhiloxKey key = {1, 2};
  for (const uint64_t n : {uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{1} << 32,
                           (uint64_t{1} << 63) + 1, ~uint64_t{0}}) {
    for (uint64_t i = 0; i < 2000; ++i) {
      const uint64_t value = UniformInt(key, i, n);
      ASSERT_LT(value, n);
      ASSERT_EQ(value, UniformIntFromBlock(Philox(key, i), key, i, n));
    }
  }
}

// With n = 3 * 2^62 a quarter of the candidates must be rejected: floor(bits * n / 2^64) alone has
// residues modulo 3 in shares (1/2, 1/4, 1/4).
TEST(UniformIntTest, RejectionRemovesTheBiasOfLargeRanges) {
  const PhiloxKey key = {3, 4};
  const uint64_t n = uint64_t{3} << 62;
  constexpr int kDraws = 300000;
  std::vector<double> residues(3);
  std::vector<double> thirds(3);
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t value = UniformInt(key, i, n);
    ++residues[value % 3];
    ++thirds[value >> 62];
  }
  // chi-square with 2 degrees of freedom: P(> 27.6) = e^-13.8 = 1e-6 for each of the two.
  for (const std::vector<double>& counts : {residues, thirds}) {
    double chi2 = 0;
    for (const double count : counts) {
      chi2 += (count - kDraws / 3.) * (count - kDraws / 3.) / (kDraws / 3.);
    }
    EXPECT_LT(chi2, 27.6);
  }
}

TEST(UniformIntTest, IsUniformOverASmallRange) {
  const PhiloxKey key = {5, 6};
  constexpr int kDraws = 1000000;
  std::vector<double> counts(1000);
  for (int i = 0; i < kDraws; ++i) ++counts[UniformInt(key, i, counts.size())];
  double chi2 = 0;
  for (const double count : counts) chi2 += (count - 1000) * (count - 1000) / 1000;
  // 999 degrees of freedom, two-sided at 1e-6 (Wilson-Hilferty, z = 4.9).
  EXPECT_GT(chi2, 792);
  EXPECT_LT(chi2, 1235);
}

TEST(UniformDoubleTest, HasAllBitsBelowOne) {
  EXPECT_EQ(ToUnitDouble(0), 0);
  EXPECT_EQ(ToUnitDouble(~uint64_t{0}), 1 - 0x1p-53);
  EXPECT_EQ(ToUnitDouble(uint64_t{1} << 11), 0x1p-53);
  double sum = 0;
  for (int i = 0; i < 100000; ++i) sum += UniformDouble({1, 1}, i);
  // Standard deviation of the mean 9.13e-4; 4.9 of them: false alarm 1e-6.
  EXPECT_NEAR(sum / 100000, 0.5, 4.5e-3);
}

}  // namespace
}  // namespace subset::sampling
