// Draws without replacement by preference, as plans: laws, weights, traits.

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

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

std::set<uint32_t> SetOf(const std::vector<uint32_t>& v) { return {v.begin(), v.end()}; }

std::vector<float> Ramp(size_t n) {
  std::vector<float> scores(n);
  for (size_t i = 0; i < n; ++i) scores[i] = static_cast<float>(1 + i % 13);
  return scores;
}

// Counts of each sample over epochs against T mu, each within 5.5 deviations of a binomial (mu <=
// 1) : false alarms below 4e-8 each.
void ExpectFrequencies(ListInput& input, int epochs) {
  const uint64_t n = input.input.num_samples;
  std::vector<double> counts(n);
  std::vector<double> expected;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    expected = ExpectedOf(*plan, n);
    for (const uint32_t i : DrawEpoch(*plan).indices) ++counts[i];
  }
  for (uint64_t i = 0; i < n; ++i) {
    const double mu = expected[i];
    EXPECT_NEAR(counts[i], epochs * mu, 5.5 * std::sqrt(epochs * mu * (1 - mu)) + 1e-6) << i;
  }
}

TEST(SystematicPlanTest, OracleOfOneDominatingWeight) {
  ListInput input(Kind::kSystematic, 5);
  input.Prefer({1, 2, 3, 4, 10}).input.spec.draw.fraction = .6;
  const auto plan = input.Build();
  const std::vector<double> oracle = {.2, .4, .6, .8, 1};
  const auto pi = ExpectedOf(*plan, 5);
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(pi[i], oracle[i], 1e-9);
  EXPECT_EQ(plan->traits().num_positions, 3);
  EXPECT_EQ(plan->traits().distinct_samples, 3);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  ExpectExactWeights(*plan, std::vector<double>(5, .2), 3);
  ExpectFrequencies(input, 4000);
}

TEST(SystematicPlanTest, FullSharesAreCappedAndTheExcessIsWaterFilled) {
  // Modyn's get_fair_share gives (10, 10, 30); a third of the members of a tie for the rest.
  ListInput input(Kind::kSystematic, 120);
  input.Strata({10, 10, 100}, Proportion::Kind::kEqual).input.spec.draw.fraction = .5;
  const auto pi = ExpectedOf(*input.Build(), 120);
  EXPECT_NEAR(pi[0], 1, 1e-12);
  EXPECT_NEAR(pi[10], 1, 1e-12);
  EXPECT_NEAR(pi[20], .4, 1e-12);
  std::vector<uint64_t> by_stratum(3);
  for (const uint32_t i : DrawEpoch(*input.Build()).indices) ++by_stratum[i < 20 ? i / 10 : 2];
  EXPECT_EQ(by_stratum, (std::vector<uint64_t>{10, 10, 40}));
}

TEST(SystematicPlanTest, ARestOfSlotsGoesToRandomStrata) {
  // n = (3, 5, 9), K = 10: 3, 3.5, 3.5, so pi = 1, .7, .388889.
  ListInput input(Kind::kSystematic, 17);
  input.Strata({3, 5, 9}, Proportion::Kind::kEqual).input.spec.draw.fraction = 10. / 17;
  const auto pi = ExpectedOf(*input.Build(), 17);
  EXPECT_NEAR(pi[0], 1, 1e-12);
  EXPECT_NEAR(pi[3], .7, 1e-12);
  EXPECT_NEAR(pi[8], .388889, 5e-7);
  EXPECT_NEAR(Sum(pi), 10, 1e-9);
  ExpectFrequencies(input, 4000);
  EXPECT_EQ(input.Build()->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(SystematicPlanTest, AStratumWithLessThanOneSlotIsReachedInItsShareOfEpochs) {
  ListInput input(Kind::kSystematic, 100);
  input.Strata({97, 2, 1}).Prefer(Ramp(100)).input.spec.draw.fraction = .1;
  const auto plan = input.Build();
  EXPECT_EQ(plan->traits().num_positions, 10);
  EXPECT_NEAR(ExpectedOf(*plan, 100)[99], .1, 1e-12);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  ExpectFrequencies(input, 4000);
}

TEST(SystematicPlanTest, WeightsAreUnbiasedForEachTargetExactly) {
  for (const Weight::Target target : {Weight::Target::kNatural, Weight::Target::kBalanced}) {
    ListInput input(Kind::kSystematic, 60);
    input.Strata({40, 15, 5}, Proportion::Kind::kEqual).Prefer(Ramp(60));
    input.input.spec.draw.fraction = .5;
    input.input.spec.weight.target = target;
    const auto plan = input.Build();
    const auto pi = ExpectedOf(*plan, 60);
    std::vector<double> r;
    for (int i = 0; i < 60; ++i) {
      const double members = i < 40 ? 40 : i < 55 ? 15 : 5;
      r.push_back(target == Weight::Target::kBalanced ? 1 / (3 * members) : 1. / 60);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectExactWeights(*plan, r, 30));
    // (1/M) sum of pi w f = sum of r f, for the weights that the probabilities give.
    double estimate = 0;
    double exact = 0;
    for (size_t i = 0; i < 60; ++i) {
      const double f = std::sin(3. * static_cast<double>(i));
      estimate += pi[i] * (30 * r[i] / pi[i]) * f / 30;
      exact += r[i] * f;
    }
    EXPECT_NEAR(estimate, exact, 1e-9);
    EXPECT_NEAR(Sum(pi), 30, 1e-9);
  }
}

TEST(SystematicPlanTest, FewerThanAskedForArePositiveSoAllOfThemCome) {
  ListInput input(Kind::kSystematic, 10);
  std::vector<float> scores(10);
  scores[2] = scores[7] = 3;
  const auto plan = input.Prefer(scores).Build();
  EXPECT_EQ(SetOf(DrawEpoch(*plan).indices), (std::set<uint32_t>{2, 7}));
  EXPECT_EQ(plan->traits().num_positions, 2);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);  // zero scores are out of reach
}

TEST(SystematicPlanTest, AllZeroScoresAreUniformAndFlagged) {
  ListInput input(Kind::kSystematic, 10);
  input.Prefer(std::vector<float>(10)).input.spec.draw.fraction = .5;
  const auto plan = input.Build();
  EXPECT_TRUE(plan->traits().fell_back_to_uniform);
  EXPECT_THAT(ExpectedOf(*plan, 10), Each(testing::DoubleNear(.5, 1e-12)));
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(SystematicPlanTest, PositionsAreShuffled) {
  // Which of the 5 positions the certain sample takes: uniform over 5,000 epochs.
  ListInput input(Kind::kSystematic, 10);
  std::vector<float> scores(10, 1);
  scores[4] = 1000;
  input.Prefer(scores).input.spec.draw.fraction = .5;
  std::vector<uint64_t> at(5);
  for (uint64_t epoch = 0; epoch < 5000; ++epoch) {
    const auto indices = DrawEpoch(*input.Epoch(epoch).Build()).indices;
    ++at[std::find(indices.begin(), indices.end(), 4u) - indices.begin()];
  }
  EXPECT_LT(Pearson(at, std::vector<double>(5, .2)).value, 33.4);  // 4 degrees: 1e-6
}

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
  constexpr size_t kN = 100000;
  constexpr int kEpochs = 100;
  ListInput input(Kind::kIndependent, kN);
  input.Prefer(Ramp(kN)).input.spec.draw.fraction = .2;
  std::vector<double> counts(kN);
  std::vector<double> pi;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    if (epoch == 0) pi = ExpectedOf(*plan, kN);
    for (const uint32_t i : DrawEpoch(*plan).indices) ++counts[i];
  }
  double chi = 0;
  for (size_t i = 0; i < kN; ++i) {
    const double deviation = counts[i] - kEpochs * pi[i];
    chi += deviation * deviation / (kEpochs * pi[i] * (1 - pi[i]));
  }
  EXPECT_LT(chi, ChiSquareLimit(kN));  // false alarms below 1e-6
  EXPECT_GT(chi, ChiSquareFloor(kN));
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
