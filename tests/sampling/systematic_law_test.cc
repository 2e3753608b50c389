#include "sampling/systematic_law.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/inclusion.h"

namespace subset::sampling {
namespace {

std::vector<LeafCount> OneEach(const std::vector<uint32_t>& weights) {
  std::vector<LeafCount> leaves;
  for (const uint32_t weight : weights) {
    if (weight > 0) leaves.push_back({1, weight});
  }
  return leaves;
}

// Some zeros, and sizes from 1 to 2^12.
std::vector<uint32_t> RandomWeights(size_t n, std::mt19937_64* random) {
  std::vector<uint32_t> weights(n);
  for (uint32_t& weight : weights) {
    if ((*random)() % 5 > 0) weight = 1 + (*random)() % (uint32_t{1} << (*random)() % 13);
  }
  weights[(*random)() % n] = 1;
  return weights;
}

TEST(SystematicLawTest, OracleOfOneDominatingWeight) {
  const SystematicLaw law(OneEach({1, 2, 3, 4, 10}), 3);
  EXPECT_EQ(law.Probability(1), .2);
  EXPECT_EQ(law.Probability(2), .4);
  EXPECT_DOUBLE_EQ(law.Probability(3), .6);
  EXPECT_EQ(law.Probability(4), .8);
  EXPECT_EQ(law.Probability(10), 1);
  EXPECT_EQ(law.least_certain(), 5);
  EXPECT_EQ(law.certain(), 1);
  EXPECT_EQ(law.others(), 4);
  EXPECT_EQ(law.count(), 2);
  EXPECT_EQ(law.total(), 10);
}

TEST(SystematicLawTest, ProbabilitiesSumToTheCountAndAreThoseOfTheWaterLevel) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 3000; ++trial) {
    const std::vector<uint32_t> weights = RandomWeights(1 + random() % 60, &random);
    const std::vector<LeafCount> leaves = OneEach(weights);
    const uint64_t count = random() % (leaves.size() + 3);
    const SystematicLaw law(leaves, count);
    const double drawn = static_cast<double>(std::min<uint64_t>(count, leaves.size()));
    const std::vector<double> values(weights.begin(), weights.end());
    const double level = WaterLevel(values, {1}, drawn);
    double sum = 0;
    for (const uint32_t weight : weights) {
      sum += law.Probability(weight);
      ASSERT_NEAR(law.Probability(weight), AtLevel(weight, 1, level), 1e-9);
    }
    ASSERT_NEAR(sum, drawn, 1e-9);
    ASSERT_EQ(law.certain() + law.count(), drawn);
    ASSERT_EQ(law.certain() + law.others(), leaves.size());
  }
}

TEST(SystematicLawTest, OverAllStartsEachIsHitAsOftenAsItsProbabilitySays) {
  // By enumeration, in whole numbers: of `total` starts, item i is hit by count v_i of them.
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<uint32_t> weights(2 + random() % 8);
    for (uint32_t& weight : weights) weight = random() % 12;
    weights[0] = 1;
    const uint64_t count = 1 + random() % weights.size();
    const SystematicLaw law(OneEach(weights), count);
    if (law.count() == 0) continue;
    std::vector<uint64_t> hits(weights.size());
    for (uint64_t start = 0; start < law.total(); ++start) {
      const SystematicPoints points(law, start);
      std::vector<uint64_t> hit(weights.size());
      for (uint64_t k = 0; k < law.count(); ++k) {
        uint64_t below = 0;  // the weights of the items before
        size_t i = 0;
        for (;; ++i) {
          const uint64_t own = weights[i] >= law.least_certain() ? 0 : weights[i];
          if (points.At(k) < below + own) break;
          below += own;
        }
        ++hit.at(i);
      }
      for (size_t i = 0; i < hit.size(); ++i) {
        ASSERT_LE(hit[i], 1);
        hits[i] += hit[i];
      }
    }
    for (size_t i = 0; i < hits.size(); ++i) {
      const bool certain = weights[i] >= law.least_certain();
      ASSERT_EQ(hits[i], certain ? 0 : law.count() * weights[i]);
    }
  }
}

TEST(SystematicLawTest, PointsAreExactUpToTheLargestSums) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 1000; ++trial) {
    const std::vector<LeafCount> leaves = {
        {(uint64_t{1} << 32) - 1 - random() % 100, kMaxLeafWeight - uint32_t(random() % 1000)}};
    const SystematicLaw law(leaves, (uint64_t{1} << 32) - 200 - random() % 1000);
    const uint64_t start = law.total() - 1 - random() % 1000;
    const SystematicPoints points(law, start);
    for (const uint64_t k : {uint64_t{0}, random() % law.count(), law.count() - 1}) {
      const unsigned __int128 scaled = start + static_cast<unsigned __int128>(k) * law.total();
      ASSERT_EQ(points.At(k), static_cast<uint64_t>(scaled / law.count()));
      ASSERT_LT(points.At(k), law.total());
    }
  }
}

TEST(SystematicLawTest, ManyLeavesHaveTheLawOfTheirEntriesOneByOne) {
  std::mt19937_64 random(4);
  std::vector<Leaf> leaves(200000);
  std::vector<uint32_t> weights;
  for (Leaf& leaf : leaves) {
    leaf = static_cast<Leaf>(random() % 4 == 0 ? 0 : random() % 0x10000);
    weights.push_back(LeafWeight(leaf));
  }
  const std::vector<LeafCount> counted = CountLeaves(leaves, nullptr);
  EXPECT_LE(counted.size(), 65535);
  for (const uint64_t count : {1u, 1000u, 60000u, 120000u, 200000u}) {
    const SystematicLaw law(counted, count);
    const SystematicLaw slow(OneEach(weights), count);
    EXPECT_EQ(law.certain(), slow.certain());
    EXPECT_EQ(law.least_certain(), slow.least_certain());
    EXPECT_EQ(law.others(), slow.others());
    EXPECT_EQ(law.count(), slow.count());
    EXPECT_EQ(law.total(), slow.total());
  }
}

TEST(SystematicLawTest, OneLeafAndNoneAreDefined) {
  const SystematicLaw one(OneEach({7}), 1);
  EXPECT_EQ(one.certain(), 1);
  EXPECT_EQ(one.Probability(7), 1);
  EXPECT_EQ(SystematicLaw(OneEach({7}), 5).certain(), 1);
  for (const SystematicLaw& none : {SystematicLaw(OneEach({7}), 0), SystematicLaw(OneEach({0}), 0),
                                    SystematicLaw({}, 3), SystematicLaw()}) {
    EXPECT_EQ(none.certain() + none.count(), 0);
  }
  EXPECT_EQ(SystematicLaw(OneEach({7}), 0).Probability(7), 0);
  EXPECT_EQ(SystematicLaw(OneEach({7, 0}), 1).Probability(0), 0);
}

TEST(RoundedLawTest, WhatIsExpectedIsTheMeanOverTheRoundingOfTheTarget) {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 1000; ++trial) {
    const std::vector<uint32_t> weights = RandomWeights(1 + random() % 40, &random);
    std::vector<LeafCount> leaves = OneEach(weights);
    const double target = static_cast<double>(random() % (4 * leaves.size() + 1)) / 4;
    const RoundedLaw law(leaves, target);
    const auto least = static_cast<uint64_t>(target);
    const double up = target - std::floor(target);
    const SystematicLaw low(leaves, least);
    const SystematicLaw high(leaves, least + 1);
    double sum = 0;
    double squares = 0;
    double smallest = 1;
    double largest = 0;
    for (const LeafCount& leaf : leaves) {
      const double mu = law.Expected(leaf.weight);
      ASSERT_NEAR(mu, (1 - up) * low.Probability(leaf.weight) + up * high.Probability(leaf.weight),
                  1e-15);
      sum += mu;
      squares += mu * mu;
      smallest = std::min(smallest, mu);
      largest = std::max(largest, mu);
    }
    ASSERT_NEAR(sum, target, 1e-9);
    const RoundedLaw::Expectation expected = law.Expect(leaves);
    ASSERT_NEAR(expected.sum, sum, 1e-9);
    ASSERT_NEAR(expected.squares, squares, 1e-9);
    ASSERT_EQ(expected.least, smallest);
    ASSERT_EQ(expected.largest, largest);
    ASSERT_EQ(expected.leaves, leaves.size());
    std::shuffle(leaves.begin(), leaves.end(), random);
    const RoundedLaw::Expectation shuffled = RoundedLaw(leaves, target).Expect(leaves);
    ASSERT_EQ(shuffled.sum, expected.sum);
    ASSERT_EQ(shuffled.squares, expected.squares);
    ASSERT_EQ(law.For(least).certain(), low.certain());
    if (up > 0) {
      ASSERT_EQ(law.For(least + 1).certain(), high.certain());
    }
  }
}

}  // namespace
}  // namespace subset::sampling
