#include "sampling/inclusion.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/plan_testing.h"

namespace subset::sampling {
namespace {

using Numbers = std::vector<double>;

Numbers Shares(Numbers values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& v : values) v /= sum;
  return values;
}

Numbers Probabilities(const Numbers& values, uint64_t count) {
  const SystematicLaw law(values, count);
  Numbers pi;
  for (const double v : values) pi.push_back(law.Probability(v));
  return pi;
}

std::vector<uint32_t> DrawOnce(const Numbers& values, uint64_t count, uint64_t epoch) {
  std::vector<uint32_t> drawn;
  SystematicLaw(values, count)
      .Draw(values, DeriveKey({1, 1, epoch}, Purpose::kSystematic),
            DeriveKey({1, 1, epoch}, Purpose::kSystematic, 1), 0, &drawn);
  return drawn;
}

TEST(WaterLevelTest, TheCappedValuesSumToTheTotal) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 2000; ++trial) {
    Numbers values(1 + random() % 50);
    Numbers caps;
    double room = 0;
    for (double& v : values) {
      v = random() % 4 == 0 ? 0 : std::exp2(static_cast<double>(random() % 200) / 5 - 20);
      caps.push_back(1 + static_cast<double>(random() % 9));
      room += v > 0 ? caps.back() : 0;
    }
    if (room == 0) continue;
    const double total = room * static_cast<double>(random() % 1000) / 1000;
    const double level = WaterLevel(values, caps, total);
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += AtLevel(values[i], caps[i], level);
    EXPECT_NEAR(sum, total, 1e-9 * room);
  }
}

TEST(WaterLevelTest, MoreThanThereIsRoomForFillsEverythingPositive) {
  const double level = WaterLevel({1, 0, 3}, {1}, 5);
  EXPECT_EQ(level, std::numeric_limits<double>::infinity());
  EXPECT_EQ(AtLevel(1, 1, level), 1);
  EXPECT_EQ(AtLevel(0, 1, level), 0);
}

TEST(WaterLevelTest, NothingToShareOutIsLevelZero) {
  EXPECT_EQ(WaterLevel({1, 2}, {1}, 0), 0);
  EXPECT_EQ(WaterLevel({0, 0}, {1}, 1), 0);
}

TEST(RoundTargetsTest, EachIsRoundedDownOrUpAndTheSumIsKept) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 2000; ++trial) {
    const size_t parts = 1 + random() % 20;
    const double total = static_cast<double>(random() % 100);
    Numbers targets;
    for (size_t g = 0; g < parts; ++g) targets.push_back(1 + static_cast<double>(random() % 50));
    targets = Shares(targets);
    for (double& t : targets) t *= total;
    const auto counts = RoundTargets(targets, DeriveKey({3, 1, uint64_t(trial)}, Purpose::kDraw));
    double sum = 0;
    double target_sum = 0;
    for (size_t g = 0; g < parts; ++g) {
      const double count = static_cast<double>(counts[g]);
      ASSERT_TRUE(count == std::floor(Snapped(targets[g])) ||
                  count == std::ceil(Snapped(targets[g])));
      sum += count;
      target_sum += targets[g];
      ASSERT_LT(std::abs(sum - target_sum), 1 + 1e-9);
    }
    ASSERT_EQ(sum, total);
  }
}

TEST(RoundTargetsTest, TheExpectationIsTheTarget) {
  const Numbers targets = {.2, 1.5, .3, 2};
  std::vector<double> sums(4);
  constexpr int kTrials = 40000;
  for (uint64_t epoch = 0; epoch < kTrials; ++epoch) {
    const auto counts = RoundTargets(targets, DeriveKey({4, 1, epoch}, Purpose::kDraw));
    for (size_t g = 0; g < 4; ++g) sums[g] += static_cast<double>(counts[g]);
  }
  for (size_t g = 0; g < 4; ++g) {
    // 5.5 standard deviations of a rounding, at most 1/2: false alarms below 4e-8.
    EXPECT_NEAR(sums[g] / kTrials, targets[g], 5.5 * .5 / std::sqrt(kTrials));
  }
  EXPECT_EQ(sums[3], 2 * kTrials);
}

TEST(SystematicTest, OracleOfOneDominatingWeight) {
  const Numbers pi = Probabilities(Shares({1, 2, 3, 4, 10}), 3);
  const Numbers expected = {.2, .4, .6, .8, 1};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(pi[i], expected[i], 1e-15);
}

TEST(SystematicTest, ProbabilitiesSumToTheCountAndFollowTheValuesBelowOne) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 1000; ++trial) {
    Numbers values(2 + random() % 60);
    for (double& v : values) {
      v = random() % 5 == 0 ? 0 : std::exp2(static_cast<double>(random() % 100) / 5);
    }
    values[0] = 1;
    values = Shares(values);
    const auto positive = static_cast<uint64_t>(
        std::count_if(values.begin(), values.end(), [](double v) { return v > 0; }));
    const uint64_t count = 1 + random() % positive;
    const Numbers pi = Probabilities(values, count);
    EXPECT_NEAR(std::accumulate(pi.begin(), pi.end(), 0.0), static_cast<double>(count), 1e-9);
    const double level = WaterLevel(values, {1}, static_cast<double>(count));
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(pi[i], AtLevel(values[i], 1, level), 1e-9);
    }
  }
}

TEST(SystematicTest, EveryDrawHasExactlySoManyDistinctPositiveItems) {
  std::mt19937_64 random(4);
  for (uint64_t trial = 0; trial < 3000; ++trial) {
    Numbers values(2 + random() % 40);
    for (double& v : values) {
      v = random() % 4 == 0 ? 0 : std::exp2(static_cast<double>(random() % 600) / 5);
    }
    values[1] = 1;
    values = Shares(values);
    const uint64_t count = random() % (values.size() + 2);
    const auto drawn = DrawOnce(values, count, trial);
    const auto positive = static_cast<uint64_t>(
        std::count_if(values.begin(), values.end(), [](double v) { return v > 0; }));
    ASSERT_EQ(drawn.size(), std::min(count, positive));
    ASSERT_EQ(SystematicLaw(values, count).count(), drawn.size());
    ASSERT_EQ(std::set<uint32_t>(drawn.begin(), drawn.end()).size(), drawn.size());
    for (const uint32_t i : drawn) ASSERT_GT(values[i], 0);
  }
}

TEST(SystematicTest, WholeSetsComeAsOftenAsEnumerationSays) {
  // w = (1, 2, 3, 4), k = 2: every order of the items and every unit point, W = 10.
  const std::vector<int> w = {1, 2, 3, 4};
  std::map<uint32_t, double> law;
  std::vector<int> order = {0, 1, 2, 3};
  do {
    for (int t = 0; t < 10; ++t) {
      uint32_t set = 0;
      int covered = 0;
      for (const int i : order) {
        const int until = covered + 2 * w[i];
        for (const int point : {t, t + 10}) {
          if (covered <= point && point < until) set |= 1u << i;
        }
        covered = until;
      }
      law[set] += 1. / 240;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  ASSERT_EQ(law.size(), 6);  // unlike one fixed order, every pair can come

  const Numbers values = Shares({1, 2, 3, 4});
  std::map<uint32_t, uint64_t> seen;
  for (uint64_t epoch = 0; epoch < 60000; ++epoch) {
    uint32_t set = 0;
    for (const uint32_t i : DrawOnce(values, 2, epoch)) set |= 1u << i;
    ++seen[set];
  }
  std::vector<uint64_t> counts;
  Numbers expected;
  for (const auto& [set, p] : law) {
    counts.push_back(seen[set]);
    expected.push_back(p);
  }
  EXPECT_LT(Pearson(counts, expected).value, 35.9);  // 5 degrees of freedom: 1e-6
}

TEST(SystematicTest, EachOfAHundredThousandIsIncludedWithItsProbability) {
  // (count - T pi)^2 / (T pi (1 - pi)) has mean 1 for each item, whatever their correlation, and
  // they are near to independent: chi-square of N, false alarms below 1e-6.
  constexpr size_t kN = 100000;
  constexpr int kEpochs = 100;
  Numbers values;
  for (size_t i = 0; i < kN; ++i) values.push_back(1 + static_cast<double>(i % 7) / 3);
  values = Shares(values);
  const Numbers pi = Probabilities(values, kN / 5);
  std::vector<uint64_t> counts(kN);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (const uint32_t i : DrawOnce(values, kN / 5, epoch)) ++counts[i];
  }
  double chi = 0;
  for (size_t i = 0; i < kN; ++i) {
    const double deviation = static_cast<double>(counts[i]) - kEpochs * pi[i];
    chi += deviation * deviation / (kEpochs * pi[i] * (1 - pi[i]));
  }
  EXPECT_LT(chi, ChiSquareLimit(kN));
  EXPECT_GT(chi, ChiSquareFloor(kN));
}

TEST(SystematicTest, TheSmallestPositiveValueIsNotLost) {
  Numbers values(10, .1);
  values[3] = std::numeric_limits<double>::denorm_min();
  const Numbers pi = Probabilities(values, 4);
  EXPECT_GT(pi[3], 0);
  EXPECT_EQ(DrawOnce(values, 10, 0).size(), 10);
}

TEST(SystematicTest, OneSampleAndNoneAreDefined) {
  EXPECT_EQ(DrawOnce({1}, 1, 0).size(), 1);
  EXPECT_EQ(DrawOnce({1}, 5, 0).size(), 1);
  EXPECT_TRUE(DrawOnce({1}, 0, 0).empty());
  EXPECT_TRUE(DrawOnce({}, 0, 0).empty());
  EXPECT_TRUE(DrawOnce({0, 0}, 1, 0).empty());
}

}  // namespace
}  // namespace subset::sampling
