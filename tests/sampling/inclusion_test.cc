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

}  // namespace
}  // namespace subset::sampling
