#include "sampling/quota_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;

Shares Of(const std::vector<uint64_t>& units) {
  Shares shares;
  shares.cumulative.push_back(0);
  for (const uint64_t unit : units) shares.cumulative.push_back(shares.cumulative.back() + unit);
  return shares;
}

std::vector<uint64_t> Served(const std::vector<uint16_t>& order, size_t strata) {
  std::vector<uint64_t> served(strata);
  for (const uint16_t g : order) ++served[g];
  return served;
}

// |served * D - h * units| < D, in integers.
void ExpectBelowOne(const std::vector<uint16_t>& order, const Shares& shares, uint64_t every) {
  const size_t strata = shares.cumulative.size() - 1;
  std::vector<uint64_t> served(strata);
  for (uint64_t h = 1; h <= order.size(); ++h) {
    ++served[order[h - 1]];
    if (h % every != 0 && h != order.size()) continue;
    for (size_t g = 0; g < strata; ++g) {
      const __int128 deviation = static_cast<__int128>(served[g]) * shares.denominator() -
                                 static_cast<__int128>(h) * shares.units(g);
      ASSERT_LT(deviation < 0 ? -deviation : deviation, shares.denominator())
          << "stratum " << g << " after " << h << " slots";
    }
  }
}

TEST(QuotaOrderTest, SevenSlotsABatchServeTheirSharesOverAThousand) {
  const Shares shares = SharesInProportion({.5, .3, .2});
  const auto order = QuotaOrder(shares, 7000, 7, {1, 1, 0});
  EXPECT_THAT(Served(order, 3), ElementsAre(3500, 2100, 1400));
  ExpectBelowOne(order, shares, 7);
  // Largest remainder applied to each batch alone gives the third stratum 1/7 for good.
}

TEST(QuotaOrderTest, TheCaseThatBreaksCarriedRemaindersKeepsTheBound) {
  // With two slots a batch, largest remainders with a carry reach a deviation of 241/235.
  const Shares shares = Of({4, 5, 56, 99, 4, 5, 3, 1, 58});
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const auto order = QuotaOrder(shares, 470, 1, {1, 1, epoch});
    ExpectBelowOne(order, shares, 1);
    EXPECT_THAT(Served(order, 9), ElementsAre(8, 10, 112, 198, 8, 10, 6, 2, 116));
    ExpectBelowOne(QuotaOrder(shares, 470, 2, {1, 1, epoch}), shares, 2);
  }
  ExpectBelowOne(QuotaOrder(Of({1, 3, 3}), 70, 1, {}), Of({1, 3, 3}), 1);
}

TEST(QuotaOrderTest, NoStratumIsEverAWholeSlotAway) {
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 1500; ++trial) {
    std::vector<uint64_t> units(1 + random() % (trial % 10 == 0 ? 300 : 12));
    for (uint64_t& unit : units) {
      unit = random() % 5 == 0 ? 1 + random() % 3 : random() % 1000;
      if (random() % 10 == 0) unit = random() % (uint64_t{1} << 40);
    }
    units[0] += 1;
    const Shares shares = Of(units);
    const uint64_t slots = 1 + random() % 700;
    const uint32_t batch = trial % 2 == 0 ? 1 : 1 + random() % 50;
    const auto order = QuotaOrder(shares, slots, batch, {random(), 1, 2});
    ASSERT_EQ(order.size(), slots);
    ExpectBelowOne(order, shares, batch);
  }
}

TEST(QuotaOrderTest, RealSharesOfSixtyFiveThousandStrataKeepTheBound) {
  std::mt19937_64 random(2);
  std::vector<double> weights(65536);
  for (double& weight : weights) weight = std::exponential_distribution<>()(random);
  const Shares shares = SharesInProportion(weights);
  const auto order = QuotaOrder(shares, 200000, 1, {5, 1, 0});
  ExpectBelowOne(order, shares, 50000);
}

TEST(QuotaOrderTest, OverEpochsEachStratumGetsItsShareAndNoneIsLost) {
  // Epochs of 7 slots: the last stratum is due a third of a slot in each.
  const Shares shares = Of({10, 6, 4, 1});
  constexpr int kEpochs = 4000;
  std::vector<double> served(4);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const auto counts = Served(QuotaOrder(shares, 7, 1, {3, 1, epoch}), 4);
    for (size_t g = 0; g < 4; ++g) served[g] += static_cast<double>(counts[g]);
  }
  for (size_t g = 0; g < 4; ++g) {
    // A rounding has variance <= 1/4: 5 sigma, below 1e-6 each.
    EXPECT_NEAR(served[g] / kEpochs, 7 * shares.share(g), 2.5 / std::sqrt(kEpochs)) << g;
  }
}

TEST(QuotaOrderTest, ABatchIsShuffledSoThatItsRanksGetMixedStrata) {
  const Shares shares = Of({1, 1});
  const auto order = QuotaOrder(shares, 100000, 4, {3, 1, 0});
  // Of the six arrangements of two and two each is as likely: chi-square with 5 degrees of freedom,
  // above 35.9 with probability 1e-6.
  std::vector<double> counts(16);
  for (size_t p = 0; p < order.size(); p += 4) {
    ++counts[order[p] * 8 + order[p + 1] * 4 + order[p + 2] * 2 + order[p + 3]];
  }
  double chi2 = 0;
  for (const int arrangement : {3, 5, 6, 9, 10, 12}) {
    const double expected = 25000 / 6.0;
    chi2 += (counts[arrangement] - expected) * (counts[arrangement] - expected) / expected;
  }
  EXPECT_LT(chi2, 35.9);
  EXPECT_GT(chi2, 1e-3);
  EXPECT_EQ(counts[0] + counts[15] + counts[1] + counts[7], 0);
}

TEST(QuotaOrderTest, AStratumWithoutAShareIsNeverServed) {
  const Shares shares = Of({0, 3, 0, 4, 0});
  EXPECT_THAT(Served(QuotaOrder(shares, 7, 1, {}), 5), ElementsAre(0, 3, 0, 4, 0));
}

TEST(QuotaOrderTest, ItIsAFunctionOfItsKey) {
  const Shares shares = Of({5, 2, 9});
  EXPECT_EQ(QuotaOrder(shares, 999, 10, {1, 2, 3}), QuotaOrder(shares, 999, 10, {1, 2, 3}));
  EXPECT_NE(QuotaOrder(shares, 999, 10, {1, 2, 3}), QuotaOrder(shares, 999, 10, {1, 2, 4}));
}

}  // namespace
}  // namespace subset::sampling
