// Draws by independent coins, as plans: laws, weights, traits.

#include "sampling/list_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using Kind = Draw::Kind;

TEST(IndependentPlanTest, TheExpectedLengthIsTheFractionAndWeightsUseTheRealisedOne) {
  ListInput input(Kind::kIndependent, 100);
  input.Prefer(Ramp(100)).input.spec.draw.fraction = .25;
  std::set<uint64_t> lengths;
  for (uint64_t epoch = 0; epoch < 50; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    const uint64_t length = plan->traits().num_positions;
    lengths.insert(length);
    EXPECT_NEAR(Sum(ExpectedOf(*plan, 100)), 25, 1e-9);
    ASSERT_NO_FATAL_FAILURE(
        ExpectExactWeights(*plan, std::vector<double>(100, .01), static_cast<double>(length)));
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
    EXPECT_EQ(plan->traits().distinct_samples, length);
  }
  EXPECT_GT(lengths.size(), 5);
  ExpectFrequencies(input, 4000);
}

TEST(IndependentPlanTest, EachOfAHundredThousandIsIncludedWithItsProbability) {
  ListInput input(Kind::kIndependent, 100000);
  input.Prefer(Ramp(100000)).input.spec.draw.fraction = .2;
  ExpectChiSquare(input, 100);
}

TEST(IndependentPlanTest, CoinsAreIndependent) {
  // Whole sets of 3 samples, each with probability 1/2: 8 alike.
  ListInput input(Kind::kIndependent, 3);
  input.input.spec.draw.fraction = .5;
  std::vector<uint64_t> seen(8);
  for (uint64_t epoch = 0; epoch < 20000; ++epoch) {
    uint32_t set = 0;
    for (const uint32_t i : DrawEpoch(*input.Epoch(epoch).Build()).indices) set |= 1u << i;
    ++seen[set];
  }
  EXPECT_LT(Pearson(seen, std::vector<double>(8, 1. / 8)).value, 40.6);  // 7 degrees: 1e-6
}

TEST(IndependentPlanTest, AnEpochMayBeEmptyAndIsThenCompleteAsItOpens) {
  ListInput input(Kind::kIndependent, 3);
  input.Prefer({1, 2, 3}).input.spec.draw.fraction = 1. / 3;
  bool seen = false;
  for (uint64_t epoch = 0; epoch < 100 && !seen; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    if (plan->traits().num_positions > 0) continue;
    seen = true;
    EXPECT_EQ(plan->traits().distinct_samples, 0);
    EXPECT_TRUE(DrawEpoch(*plan).indices.empty());
    EXPECT_NEAR(Sum(ExpectedOf(*plan, 3)), 1, 1e-12);
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
    PlanInput bare = input.input;
    bare.columns = {};
    ASSERT_OK_AND_ASSIGN(const auto again, ParseListPlan(bare, plan->Serialize()));
    EXPECT_EQ(again->traits().num_positions, 0);
  }
  EXPECT_TRUE(seen);
}

TEST(IndependentPlanTest, KeepProbabilitiesAreTakenAsTheyAre) {
  // Percentiles of 4 distinct scores: (#less + 1/2) / 4.
  ListInput input(Kind::kIndependent, 4);
  SamplerSpec& spec = input.Prefer({4, 1, 3, 2}).input.spec;
  ASSERT_OK(ResolveSpec(&spec));
  spec.preference.kind = Preference::Kind::kKeepProbability;
  spec.preference.beta = 2;
  spec.preference.least = .1;
  const std::vector<double> oracle = {.875 * .875, .1, .625 * .625, .375 * .375};
  constexpr int kEpochs = 4000;
  std::vector<double> counts(4);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    input.Epoch(epoch);
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildListPlan(input.input, input.population()));
    const auto pi = ExpectedOf(*plan, 4);
    for (size_t i = 0; i < 4; ++i) ASSERT_NEAR(pi[i], oracle[i], 1e-12);
    for (const uint32_t i : DrawEpoch(*plan).indices) ++counts[i];
  }
  for (size_t i = 0; i < 4; ++i) {  // 5.5 deviations: false alarms below 4e-8 each
    const double variance = kEpochs * oracle[i] * (1 - oracle[i]);
    EXPECT_NEAR(counts[i], kEpochs * oracle[i], 5.5 * std::sqrt(variance));
  }
}

TEST(IndependentPlanTest, StrataKeepTheirSharesInExpectation) {
  ListInput input(Kind::kIndependent, 100);
  input.Strata({80, 20}, Proportion::Kind::kEqual).Prefer(Ramp(100));
  input.input.spec.draw.fraction = .2;
  const auto pi = ExpectedOf(*input.Build(), 100);
  EXPECT_NEAR(std::accumulate(pi.begin(), pi.begin() + 80, 0.0), 10, 1e-9);
}

}  // namespace
}  // namespace subset::sampling
