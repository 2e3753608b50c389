#include "sampling/permutation.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/simd.h"
#include "tests/sampling/chi_square.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;

std::vector<uint64_t> AwkwardSizes() {
  std::vector<uint64_t> sizes = {1, 2, 3, 5, 10, 66049, 1234567, 10000019};
  for (int k = 2; k <= 20; ++k) {
    for (const int d : {-1, 0, 1}) sizes.push_back((uint64_t{1} << k) + d);
  }
  return sizes;
}

// Includes 2^16 + 1 and 2^18 + 1, where a network sized by the bits of n rather than n - 1 gives
// one item twice.
TEST(PermutationTest, IsABijectionOfEveryAwkwardRange) {
  for (const uint64_t n : AwkwardSizes()) {
    for (const PhiloxKey& key : {PhiloxKey{0, 0}, PhiloxKey{1, 0}, PhiloxKey{0xffffffff, 7}}) {
      const Permutation permutation(n, key);
      std::vector<uint32_t> images(n);
      permutation.Fill(0, absl::MakeSpan(images));
      std::vector<bool> seen(n);
      for (const uint32_t image : images) {
        ASSERT_LT(image, n);
        ASSERT_FALSE(seen[image]) << "n " << n << " image " << image << " twice";
        seen[image] = true;
      }
    }
  }
}

TEST(PermutationTest, MapEqualsAtOnEveryPath) {
  constexpr uint64_t k32 = uint64_t{1} << 32;
  std::mt19937_64 random(1);
  for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    const ScopedSimdLimit limit(level);
    for (const uint64_t n : {uint64_t{1}, uint64_t{65536}, uint64_t{65537}, uint64_t{1234567},
                             k32 / 2 + 1, k32 - 65537, k32 - 1, k32}) {
      const Permutation permutation(n, {11, 22});
      for (const size_t length : {0, 1, 32, 33, 255, 256, 257, 300, 5000}) {
        std::vector<uint32_t> positions(length);
        for (uint32_t& position : positions) position = static_cast<uint32_t>(random() % n);
        if (length > 1) positions.back() = static_cast<uint32_t>(n - 1);
        std::vector<uint32_t> images = positions;
        permutation.Map(absl::MakeSpan(images));
        for (size_t i = 0; i < length; ++i) {
          ASSERT_EQ(images[i], permutation.At(positions[i])) << n << " at " << positions[i];
        }
      }
    }
  }
}

TEST(PermutationTest, FillEqualsAtOnEveryPath) {
  constexpr uint64_t k31 = uint64_t{1} << 31;
  constexpr uint64_t k32 = uint64_t{1} << 32;
  for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    const ScopedSimdLimit limit(level);
    for (const uint64_t n : {uint64_t{1000}, uint64_t{65536}, uint64_t{65537}, uint64_t{1234567},
                             k31 - 1, k31, k31 + 1, k32 - 65537, k32 - 65536, k32 - 1, k32}) {
      const Permutation permutation(n, {11, 22});
      for (const uint64_t first : {uint64_t{0}, uint64_t{1}, n / 3, n / 2 + 77, n - 700}) {
        for (const size_t length : {0, 1, 31, 32, 33, 63, 64, 65, 500, 700}) {
          if (first + length > n) continue;
          std::vector<uint32_t> images(length);
          permutation.Fill(first, absl::MakeSpan(images));
          for (size_t i = 0; i < length; ++i) {
            ASSERT_LT(images[i], n);
            ASSERT_EQ(images[i], permutation.At(first + i)) << n << " at " << first + i;
          }
        }
      }
    }
  }
}

// Stored epochs are replayed from their keys, so these never change. Checked once against an
// independent implementation with arbitrary-precision integers.
TEST(PermutationTest, IsFrozen) {
  const auto sample = [](uint64_t n) {
    const Permutation p(n, {0x243f6a88, 0x85a308d3});
    return std::vector<uint32_t>{p.At(0), p.At(1), p.At(2), p.At(n / 2), p.At(n - 1)};
  };
  EXPECT_THAT(sample(10), ElementsAre(5, 8, 4, 2, 1));
  EXPECT_THAT(sample(65536), ElementsAre(49251, 13715, 30018, 49040, 55031));
  EXPECT_THAT(sample(65537), ElementsAre(49856, 13204, 52035, 29949, 18419));
  EXPECT_THAT(sample(1000000), ElementsAre(147218, 913668, 367969, 24514, 203963));
  EXPECT_THAT(sample(uint64_t{1} << 32),
              ElementsAre(1654518251, 2532432968, 907486756, 2636695185, 1465839393));
}

TEST(PermutationTest, EachOfTheOrdersOfFourIsEquallyLikely) {
  constexpr int kKeys = 240000;
  std::vector<uint64_t> counts(256);
  std::vector<double> expected(256);
  for (uint32_t key = 0; key < kKeys; ++key) {
    const Permutation p(4, {key, 1});
    ++counts[p.At(0) + 4 * p.At(1) + 16 * p.At(2) + 64 * p.At(3)];
  }
  for (int code = 0; code < 256; ++code) {
    int items = 0;
    for (int i = 0; i < 4; ++i) items |= 1 << (code >> (2 * i) & 3);
    if (items == 15) expected[code] = kKeys / 24.;
  }
  EXPECT_LT(std::abs(ChiSquareScore(counts, expected)), kOneInAMillion);
}

// Each item at each position over keys: N^2 counts whose rows and columns are fixed, so the
// statistic times (N - 1) / N has (N - 1)^2 degrees of freedom.
TEST(PermutationTest, EveryItemIsEquallyLikelyAtEveryPositionOfASmallRange) {
  constexpr int kKeys = 200000;
  constexpr uint64_t n = 12;
  std::vector<uint64_t> counts(n * n);
  for (uint32_t key = 0; key < kKeys; ++key) {
    const Permutation p(n, {key, 2});
    for (uint64_t i = 0; i < n; ++i) ++counts[i * n + p.At(i)];
  }
  const std::vector<double> expected(n * n, kKeys / double{n});
  const double score = ChiSquareScore(counts, expected, (n - 1.) / n, n * n - (n - 1) * (n - 1));
  EXPECT_LT(std::abs(score), kOneInAMillion);
}

class FeistelTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  // Returns how many x in [0, n) have x * cells / n == i, for each i.
  static std::vector<double> CellSizes(uint64_t n, uint64_t cells) {
    std::vector<double> sizes(cells);
    uint64_t begin = 0;
    for (uint64_t i = 0; i < cells; ++i) {
      const uint64_t end = ((i + 1) * n + cells - 1) / cells;
      sizes[i] = static_cast<double>(end - begin);
      begin = end;
    }
    return sizes;
  }
};

INSTANTIATE_TEST_SUITE_P(Sizes, FeistelTest,
                         ::testing::Values(65537, 66049, 131071, 1000003, uint64_t{1} << 24,
                                           uint64_t{1} << 32));

TEST_P(FeistelTest, PutsEveryItemAtEveryPositionEquallyOften) {
  const uint64_t n = GetParam();
  constexpr int kKeys = 200000;
  constexpr uint64_t kPositions = 16;
  constexpr uint64_t kCells = 256;
  std::vector<uint64_t> counts(kPositions * kCells);
  for (uint32_t key = 0; key < kKeys; ++key) {
    const Permutation p(n, {key, 3});
    for (uint64_t i = 0; i < kPositions; ++i) {
      ++counts[i * kCells + p.At(i * (n - 1) / (kPositions - 1)) * kCells / n];
    }
  }
  std::vector<double> expected;
  for (uint64_t i = 0; i < kPositions; ++i) {
    for (const double size : CellSizes(n, kCells)) {
      expected.push_back(kKeys * size / static_cast<double>(n));
    }
  }
  EXPECT_LT(std::abs(ChiSquareScore(counts, expected, 1, kPositions)), kOneInAMillion);
}

// The distance between the images of two positions is uniform over 1 .. n-1, whether they are
// neighbours (the same left half) or a row apart (the same right half, which the first round cannot
// tell apart). With 4 rounds instead of 6 the second score is about 10 at n = 65,537.
TEST_P(FeistelTest, PlacesPairsIndependently) {
  const uint64_t n = GetParam();
  constexpr int kKeys = 400000;
  constexpr uint64_t kCells = 4096;
  auto a = static_cast<uint64_t>(std::sqrt(static_cast<double>(n)));
  while (a * a < n) ++a;
  const uint64_t row = (n + a - 1) / a;
  std::vector<uint64_t> neighbours(kCells);
  std::vector<uint64_t> rows(kCells);
  for (uint32_t key = 0; key < kKeys; ++key) {
    const Permutation p(n, {key, 4});
    const uint64_t position = uint64_t{key} * 2654435761u % (n - row);
    const uint64_t image = p.At(position);
    ++neighbours[(p.At(position + 1) + n - image) % n * kCells / n];
    ++rows[(p.At(position + row) + n - image) % n * kCells / n];
  }
  std::vector<double> expected = CellSizes(n, kCells);
  --expected[0];  // distance 0
  for (double& size : expected) size *= kKeys / static_cast<double>(n - 1);
  EXPECT_LT(std::abs(ChiSquareScore(neighbours, expected)), kOneInAMillion);
  EXPECT_LT(std::abs(ChiSquareScore(rows, expected)), kOneInAMillion);
}

// Consecutive images of one key in 64 x 64 cells. One-sided: images do not repeat, so the statistic
// is a little smaller than chi-square.
TEST(FeistelOrderTest, ConsecutiveImagesOfOneKeyAreIndependent) {
  constexpr uint64_t n = 1000003;
  constexpr uint64_t kCells = 64;
  for (uint32_t key = 0; key < 5; ++key) {
    const Permutation p(n, {key, 5});
    std::vector<uint32_t> images(n);
    p.Fill(0, absl::MakeSpan(images));
    std::vector<uint64_t> counts(kCells * kCells);
    for (uint64_t i = 0; i + 1 < n; ++i) {
      ++counts[images[i] * kCells / n * kCells + images[i + 1] * kCells / n];
    }
    const std::vector<double> expected(kCells * kCells, (n - 1.) / (kCells * kCells));
    EXPECT_LT(ChiSquareScore(counts, expected), kOneInAMillion) << key;
  }
}

TEST(FeistelOrderTest, KeysGiveUnrelatedOrders) {
  constexpr uint64_t n = 100000;
  const Permutation a(n, {0, 0});
  for (const PhiloxKey& key : {PhiloxKey{1, 0}, PhiloxKey{0, 1}, PhiloxKey{0x80000000, 0}}) {
    const Permutation b(n, key);
    int equal = 0;
    for (uint64_t i = 0; i < n; ++i) equal += a.At(i) == b.At(i);
    EXPECT_LT(equal, 10);  // Poisson with mean 1: P(>= 10) = 1.1e-7
  }
}

}  // namespace
}  // namespace subset::sampling
