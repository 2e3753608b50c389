// Systematic draws, as plans: laws, weights, traits.

#include "sampling/systematic_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "sampling/inclusion.h"
#include "sampling/inner_draw.h"
#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using ::testing::Each;
using Kind = Draw::Kind;

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

TEST(SystematicPlanTest, WhatIsExactlyOneIsCertain) {
  ListInput input(Kind::kSystematic, 3);
  input.Prefer({1, 1, 2}).input.spec.draw.fraction = 2. / 3;
  EXPECT_EQ(ExpectedOf(*input.Build(), 3), (std::vector<double>{.5, .5, 1}));
  for (uint64_t epoch = 0; epoch < 100; ++epoch) {
    const std::vector<uint32_t> drawn = DrawEpoch(*input.Epoch(epoch).Build()).indices;
    ASSERT_EQ(SetOf(drawn).size(), 2);
    ASSERT_EQ(SetOf(drawn).count(2), 1);
  }
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

TEST(SystematicPlanTest, WholeSetsComeAsOftenAsEnumerationSays) {
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

  ListInput input(Kind::kSystematic, 4);
  input.Prefer({1, 2, 3, 4}).input.spec.draw.fraction = .5;
  std::map<uint32_t, uint64_t> seen;
  for (uint64_t epoch = 0; epoch < 60000; ++epoch) {
    uint32_t set = 0;
    for (const uint32_t i : DrawEpoch(*input.Epoch(epoch).Build()).indices) set |= 1u << i;
    ++seen[set];
  }
  std::vector<uint64_t> counts;
  std::vector<double> expected;
  for (const auto& [set, p] : law) {
    counts.push_back(seen[set]);
    expected.push_back(p);
  }
  EXPECT_LT(Pearson(counts, expected).value, 35.9);  // 5 degrees of freedom: 1e-6
}

TEST(SystematicPlanTest, EachOfAHundredThousandIsIncludedWithItsProbability) {
  ListInput input(Kind::kSystematic, 100000);
  input.Prefer(Ramp(100000)).input.spec.draw.fraction = .2;
  ExpectChiSquare(input, 100);
}

TEST(SystematicPlanTest, SoDoThoseOfStrataWhoseTargetsAreRounded) {
  ListInput input(Kind::kSystematic, 100000);
  input.Strata({70000, 29000, 997, 3}, Proportion::Kind::kNatural).Prefer(Ramp(100000));
  input.input.spec.draw.fraction = .1234567;
  ExpectChiSquare(input, 100);
}

TEST(SystematicPlanTest, EveryDrawIsOfExactlySoManyDistinctPositiveSamples) {
  std::mt19937_64 random(4);
  for (uint64_t trial = 0; trial < 1000; ++trial) {
    const size_t n = 3 + random() % 600;
    std::vector<float> scores(n);
    for (float& score : scores) {
      if (random() % 4 > 0) score = std::exp2(static_cast<float>(random() % 600) / 5 - 60);
    }
    const std::vector<size_t> sizes = {n - n / 3 - 1, n / 3, 1};
    ListInput input(Kind::kSystematic, n);
    input.Strata(sizes, trial % 2 == 0 ? Proportion::Kind::kEqual : Proportion::Kind::kNatural);
    input.Prefer(scores).Epoch(trial).input.spec.draw.fraction =
        static_cast<double>(1 + random() % n) / static_cast<double>(n);
    input.input.spec.guard.uniform_floor = trial % 3 == 0 ? .25 : 0;
    const auto plan = input.Build();
    const std::vector<double> mu = ExpectedOf(*plan, n);
    const std::vector<uint32_t> drawn = DrawEpoch(*plan).indices;
    ASSERT_EQ(SetOf(drawn).size(), drawn.size());
    ASSERT_NEAR(Sum(mu), static_cast<double>(drawn.size()), 1e-9 * static_cast<double>(n));
    const double asked = input.input.spec.draw.fraction * static_cast<double>(n);
    const auto possible = std::count_if(mu.begin(), mu.end(), [](double p) { return p > 0; });
    ASSERT_EQ(drawn.size(), std::min<uint64_t>(std::llround(asked), possible));
    ASSERT_EQ(plan->traits().num_positions, drawn.size());
    uint64_t first = 0;
    for (const size_t size : sizes) {  // each stratum its target, rounded down or up
      const auto in = std::count_if(drawn.begin(), drawn.end(),
                                    [&](uint32_t i) { return first <= i && i < first + size; });
      double target = 0;
      for (uint64_t i = first; i < first + size; ++i) target += mu[i];
      ASSERT_LT(std::abs(static_cast<double>(in) - target), 1 + 1e-9);
      first += size;
    }
    for (const uint32_t i : drawn) ASSERT_GT(mu[i], 0);
  }
}

TEST(SystematicPlanTest, ProbabilitiesAreThoseOfTheWaterLevelWithinThePrecisionOfLeaves) {
  // Also where scores are of any range: what is certain takes none of the range of leaves.
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 300; ++trial) {
    const size_t n = 200;
    std::vector<float> scores(n);
    for (float& score : scores) score = static_cast<float>(1 + random() % 100);
    scores[3] = 1e30f;
    if (trial % 3 == 0) {
      for (size_t i = 100; i < n; ++i) scores[i] *= 1e-30f;  // a stratum of its own
    }
    ListInput input(Kind::kSystematic, n);
    input.Strata({100, 100}).Prefer(scores);
    SamplerSpec& spec = input.input.spec;
    spec.draw.fraction = static_cast<double>(2 * (2 + random() % 98)) / static_cast<double>(n);
    spec.preference.alpha = trial % 2 == 0 ? 1 : .5;
    spec.guard.uniform_floor = trial % 5 == 0 ? .1 : 0;
    ASSERT_OK(ResolveSpec(&spec));
    const std::vector<double> a = InnerProbabilities(input.input, input.population()).probabilities;
    const std::vector<double> pi = ExpectedOf(*input.Build(), n);
    for (size_t g = 0; g < 2; ++g) {
      const auto own = absl::MakeConstSpan(a).subspan(100 * g, 100);
      const double level = WaterLevel(own, {1}, 50 * spec.draw.fraction * 2);
      for (size_t i = 0; i < 100; ++i) {
        const double expected = AtLevel(own[i], 1, level);
        ASSERT_NEAR(pi[100 * g + i], expected, 0x1p-11 * expected) << trial << " " << i;
      }
    }
  }
}

TEST(SystematicPlanTest, WhatIsBelowTheRangeOfLeavesIsDrawnStillAndCounted) {
  ListInput input(Kind::kSystematic, 10);
  std::vector<float> scores(10, .1f);
  scores[3] = std::numeric_limits<float>::denorm_min();
  input.Prefer(scores).input.spec.draw.fraction = .4;
  const auto plan = input.Build();
  EXPECT_GT(ExpectedOf(*plan, 10)[3], 0);
  EXPECT_EQ(plan->traits().clamped_leaves, 1);
  input.input.spec.draw.fraction = 1;
  EXPECT_EQ(SetOf(DrawEpoch(*input.Build()).indices).size(), 10);
}

TEST(SystematicPlanTest, OneSampleIsDrawn) {
  for (const float score : {0.f, 2.f, NAN}) {
    ListInput input(Kind::kSystematic, 1);
    const auto plan = input.Prefer({score}).Build();
    EXPECT_EQ(DrawEpoch(*plan).indices, std::vector<uint32_t>{0});
    EXPECT_EQ(plan->traits().probability, 1);
    EXPECT_EQ(plan->traits().weight, 1.0f);
    EXPECT_EQ(plan->traits().effective_sample_ratio, 1);
  }
}

TEST(SystematicPlanTest, WithoutAPreferenceEverySampleIsAlike) {
  ListInput input(Kind::kSystematic, 1000);
  input.input.spec.draw.fraction = .1;
  const auto plan = input.Build();
  EXPECT_DOUBLE_EQ(plan->traits().probability.value(), .1);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_FALSE(plan->traits().fell_back_to_uniform);
  EXPECT_NEAR(plan->traits().effective_sample_ratio, 1, 1e-12);
  EXPECT_EQ(plan->Serialize(), "");
}

}  // namespace
}  // namespace subset::sampling
