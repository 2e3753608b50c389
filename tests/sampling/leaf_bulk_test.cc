// Leaves by the thousand against leaves one at a time, at every SIMD level.

#include "sampling/leaf_bulk.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/leaf_scale.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

class LeafBulkTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  ScopedSimdLimit limit_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, LeafBulkTest,
                         ::testing::Values(SimdLevel::kPortable, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512));

// Scores of all magnitudes, and all that is out of the ordinary.
std::vector<double> Scores(size_t n) {
  std::vector<double> scores = {0,       -0.0,  -1,   1,     NAN,    0x1p-1074, 0x1p-1022, 1e-310,
                                1e-45,   1e300, .5,   .25,   0x1p63, 1 / 3.,    8191.5,    8192,
                                8192.49, 0.499, 0.49, 1e-20, 1e20,   -1e-300,   4095.5,    16383};
  std::mt19937_64 random(n);
  std::uniform_real_distribution<double> exponent(-40, 40);
  std::uniform_real_distribution<double> wide(-1000, 1000);
  while (scores.size() < n) {
    const double x = std::exp2(random() % 4 == 0 ? wide(random) : exponent(random));
    scores.push_back(random() % 3 == 0 ? static_cast<float>(x) : x);
    if (random() % 16 == 0) scores.push_back(NAN);
    if (random() % 16 == 0) scores.push_back(0);
    if (random() % 4 == 0) scores.push_back(static_cast<double>(random() % 20000) / 2);  // ties
  }
  scores.resize(n);
  return scores;
}

TEST_P(LeafBulkTest, EncodesAsOneAtATime) {
  for (const size_t n : {1, 7, 24, 255, 256, 257, 1000, 20000}) {
    const std::vector<double> scores = Scores(n);
    for (const double alpha : {1.0, .6, .5, 2.0, 16.0, .001}) {
      for (const LeafScale::Parameters& parameters :
           {LeafScale::Parameters{0, 0, 1}, {-3, 19, .3}, {20, -7, 0}, {0, 40, 1e9}}) {
        const LeafScale scale(alpha, parameters);
        std::vector<Leaf> leaves(n + 1, 0x1234);
        const uint64_t found = scale.Encode(scores, absl::MakeSpan(leaves.data(), n));
        uint64_t clamped = 0;
        for (size_t k = 0; k < n; ++k) {
          bool outside = false;
          ASSERT_EQ(leaves[k], scale.Encode(scores[k], &outside))
              << "score " << scores[k] << ", alpha " << alpha;
          clamped += outside;
        }
        EXPECT_EQ(found, clamped);
        EXPECT_EQ(leaves[n], 0x1234) << "written behind the end";
      }
    }
  }
}

// Floats whose weights lie next to where leaves change, and Scores.
std::vector<float> CloseScores(double alpha, const LeafScale::Parameters& parameters) {
  std::vector<float> scores;
  for (const double score : Scores(20000)) scores.push_back(static_cast<float>(score));
  for (const int leaf : {0, 1, 2, 99, 4094, 4095, 4096, 8190, 8191, 8192, 20000, 65534}) {
    const double weight = (1.0 * LeafWeight(leaf) + LeafWeight(leaf + 1)) / 2;
    const double power = std::ldexp(weight, -parameters.weight_exponent);
    float score =
        static_cast<float>(std::ldexp(std::pow(power, 1 / alpha), -parameters.score_exponent));
    for (int k = 0; k < 8; ++k) score = std::nextafter(score, 0.0f);
    for (int k = 0; k < 16; ++k) scores.push_back(score = std::nextafter(score, INFINITY));
  }
  scores.push_back(std::numeric_limits<float>::max());
  return scores;
}

TEST_P(LeafBulkTest, FloatsGetTheLeavesOfDoubles) {
  for (const double alpha : {1.0, .6, .5, 1.7, 2.0, 16.0, .001, 100.0}) {
    for (const LeafScale::Parameters& parameters :
         {LeafScale::Parameters{0, 0, 1}, {-3, 19, .3}, {2, 22, 1e-9}, {20, -7, 0}, {600, 9, 1}}) {
      const LeafScale scale(alpha, parameters);
      const std::vector<float> scores = CloseScores(alpha, parameters);
      const std::vector<double> wide(scores.begin(), scores.end());
      for (const size_t n : {size_t{1}, size_t{300}, scores.size()}) {
        std::vector<Leaf> leaves(n + 1, 0x1234);
        std::vector<Leaf> expected(n);
        const uint64_t clamped = scale.Encode(absl::MakeConstSpan(scores).subspan(0, n),
                                              absl::MakeSpan(leaves.data(), n));
        EXPECT_EQ(clamped,
                  scale.Encode(absl::MakeConstSpan(wide).subspan(0, n), absl::MakeSpan(expected)));
        for (size_t k = 0; k < n; ++k) {
          ASSERT_EQ(leaves[k], expected[k]) << "score " << scores[k] << ", alpha " << alpha;
        }
        EXPECT_EQ(leaves[n], 0x1234) << "written behind the end";
      }
    }
  }
}

TEST_P(LeafBulkTest, ScoreSumsOfFloatsAreThoseOfDoubles) {
  std::mt19937_64 random(4);
  std::lognormal_distribution<float> lognormal(0, 1);
  for (const size_t n : {0, 1, 255, 256, 2000}) {
    std::vector<float> scores(n);
    double sum = 0;
    double largest = 0;
    uint64_t scored = 0;
    for (float& score : scores) {
      score = random() % 5 == 0 ? NAN : lognormal(random) - .5f;
      if (std::isnan(score)) continue;
      ++scored;
      sum += std::max(0.0f, score);
      largest = std::max<double>(largest, score);
    }
    ScoreSums floats;
    ScoreSums doubles;
    AddScores(scores, &floats);
    AddScores(std::vector<double>(scores.begin(), scores.end()), &doubles);
    EXPECT_EQ(floats.largest, largest);
    EXPECT_EQ(doubles.largest, largest);
    EXPECT_EQ(floats.scored, scored);
    EXPECT_EQ(doubles.scored, scored);
    double total = 0;
    for (size_t lane = 0; lane < ScoreSums::kLanes; ++lane) {
      EXPECT_EQ(floats.lanes[lane], doubles.lanes[lane]);
      total += floats.lanes[lane];
    }
    EXPECT_NEAR(total, sum, 1e-12 * sum);
  }
}

TEST_P(LeafBulkTest, RatiosAreRaisedAsOneAtATime) {
  for (const size_t n : {1, 24, 255, 256, 257, 5000}) {
    for (const bool denormals : {true, false}) {
      std::vector<double> values = Scores(n);
      for (double& value : values) {
        if (std::isinf(value)) value = std::numeric_limits<double>::max();
        if (!denormals && value < 0x1p-1022) value = 0;
      }
      const double largest = *std::max_element(values.begin(), values.end());
      if (!(largest > 0)) continue;
      for (const double alpha : {.001, .6, 1.0, 2.0, 16.0}) {
        std::vector<double> raised = values;
        RaiseRatios(alpha, largest, absl::MakeSpan(raised));
        for (size_t k = 0; k < n; ++k) {
          const double exponent = alpha * (PortableLog2(values[k]) - PortableLog2(largest));
          const double expected = values[k] > 0 ? PortableExp2(std::max(exponent, -1000.0)) : 0;
          ASSERT_EQ(raised[k], expected) << values[k] << " of " << largest << ", alpha " << alpha;
        }
      }
    }
  }
}

TEST_P(LeafBulkTest, PowersOfTwoAreThePortableOnes) {
  std::mt19937_64 random(12);
  for (const size_t n : {0, 1, 7, 255, 256, 1000}) {
    std::vector<double> exponents = {0, -0., 1000, -1000, -1001, -1e300, .5, -.5, 1e-300};
    while (exponents.size() < n) {
      exponents.push_back(std::ldexp(static_cast<double>(random() % 2001) - 1000,
                                     -static_cast<int>(random() % 20)));
    }
    exponents.resize(n);
    std::vector<double> raised = exponents;
    RaiseTwo(absl::MakeSpan(raised));
    for (size_t k = 0; k < n; ++k) {
      ASSERT_EQ(raised[k], PortableExp2(std::max(exponents[k], -1000.0))) << exponents[k];
    }
  }
}

TEST(LeafScaleTest, OnlyTheScaleOfTheExactPowersIsThatOfThem) {
  std::mt19937_64 random(9);
  int surely = 0;
  for (int round = 0; round < 400; ++round) {
    const double spread = round % 4;
    std::lognormal_distribution<double> lognormal(0, spread);
    std::vector<double> scores(500);
    for (double& score : scores) score = lognormal(random);
    ScoreSums sums;
    AddScores(scores, &sums);
    const ScoreSummary summary = Summarise(sums, scores.size(), Guard{});
    const double powers = LeafScale(.8, summary, 0).SumPowers(scores);
    const LeafScale exact(.8, summary, powers);
    for (const double factor : {.4, .99, 1.0, 1.01, 2.5}) {
      const LeafScale scale(.8, summary, powers * factor);
      std::vector<Leaf> leaves(scores.size());
      scale.Encode(scores, absl::MakeSpan(leaves));
      const bool same = scale.parameters().weight_exponent == exact.parameters().weight_exponent;
      const bool sure = scale.IsThatOf(summary, SumLeaves(leaves).total);
      EXPECT_TRUE(same || !sure) << "round " << round << ", factor " << factor;
      surely += sure;
    }
  }
  EXPECT_GT(surely, 400);
}

TEST_P(LeafBulkTest, SumsAreExact) {
  std::mt19937_64 random(6);
  for (const size_t n : {0, 1, 255, 256, 257, 70000}) {
    std::vector<Leaf> leaves(n);
    for (Leaf& leaf : leaves) leaf = random() % 3 == 0 ? 0 : static_cast<Leaf>(random());
    if (n == 70000) leaves.assign(n, 0xffff);  // the largest
    LeafSums expected;
    for (const Leaf leaf : leaves) {
      const uint64_t weight = LeafWeight(leaf);
      expected.total += weight;
      expected.total_squares += weight * weight;
      expected.positive += leaf > 0;
    }
    const LeafSums sums = SumLeaves(leaves);
    EXPECT_EQ(sums.total, expected.total);
    EXPECT_TRUE(sums.total_squares == expected.total_squares);
    EXPECT_EQ(sums.positive, expected.positive);

    std::vector<uint64_t> lines(n / 32);
    SumLines(absl::MakeConstSpan(leaves).subspan(0, 32 * lines.size()), absl::MakeSpan(lines));
    for (size_t line = 0; line < lines.size(); ++line) {
      EXPECT_EQ(lines[line], SumLeaves(absl::MakeConstSpan(leaves).subspan(32 * line, 32)).total);
    }
  }
}

TEST(LeafPowersTest, AddUpToTheSameAtEveryLevel) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> lognormal(0, 1);
  for (const size_t n : {3, 256, 5000}) {
    std::vector<double> scores(n);
    for (double& score : scores) score = lognormal(random);
    scores[1] = NAN;
    double expected = 0;
    for (const double x : scores) expected += std::pow((std::isnan(x) ? .4 : x) / 4, .7);
    const LeafScale scale(.7, LeafScale::Parameters{-2, 3, .4});
    std::vector<double> sums;
    for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
      const ScopedSimdLimit limit(level);
      sums.push_back(scale.SumPowers(scores));
      EXPECT_EQ(sums.back(), sums.front());
    }
    EXPECT_NEAR(sums.front(), expected, 1e-12 * expected);
  }
}

}  // namespace
}  // namespace subset::sampling
