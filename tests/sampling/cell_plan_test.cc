// Epoch plans without replacement: uniform, shares, pruning.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "sampling/proportion.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

PlanInput UniformInput(uint64_t n, double fraction = 1, StreamKey key = {1, 1, 0}) {
  PlanInput input;
  input.spec.draw.fraction = fraction;
  EXPECT_OK(ResolveSpec(&input.spec));
  input.num_samples = n;
  input.key = key;
  return input;
}

PlanInput EqualInput(const std::vector<size_t>& counts, double fraction = 1,
                     Weight::Target target = Weight::Target::kDefault) {
  PlanInput input;
  input.spec.proportion.kind = Proportion::Kind::kEqual;
  input.spec.proportion.column = "label";
  input.spec.draw.fraction = fraction;
  input.spec.weight.target = target;
  EXPECT_OK(ResolveSpec(&input.spec));
  input.num_samples = std::accumulate(counts.begin(), counts.end(), size_t{0});
  input.strata = *StrataOf(LabelsWithCounts(counts));
  input.key = {1, 1, 0};
  return input;
}

std::unique_ptr<EpochPlan> Build(const PlanInput& input) {
  auto plan = BuildPlan(input);
  EXPECT_OK(plan);
  return plan.ok() ? *std::move(plan) : nullptr;
}

TEST(UniformPlanTest, AWholeEpochHoldsEverySampleOnce) {
  for (const uint64_t n : {1, 2, 3, 1000, 65536, 65537, 100003}) {
    const auto plan = Build(UniformInput(n));
    const Drawn drawn = DrawEpoch(*plan);
    EXPECT_EQ(drawn.indices.size(), n);
    EXPECT_EQ(CountsOf(drawn.indices, n), std::vector<uint64_t>(n, 1));
    EXPECT_EQ(plan->traits().probability, 1.0);
    EXPECT_EQ(plan->traits().weight, 1.0f);
    EXPECT_EQ(plan->traits().effective_sample_ratio, 1);
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
    EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
  }
}

TEST(UniformPlanTest, ATenthOfTenThousandIsAThousandDifferentSamples) {
  const auto plan = Build(UniformInput(10000, .1));
  const PlanTraits& traits = plan->traits();
  EXPECT_EQ(traits.num_positions, 1000);
  EXPECT_EQ(traits.distinct_samples, 1000);
  EXPECT_EQ(traits.probability, .1);
  EXPECT_EQ(traits.weight, 1.0f);
  EXPECT_NEAR(traits.effective_sample_ratio, 1, 1e-12);
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(std::set<uint32_t>(drawn.indices.begin(), drawn.indices.end()).size(), 1000);
  for (size_t k = 0; k < 1000; ++k) {
    EXPECT_EQ(drawn.probabilities[k], .1);
    EXPECT_EQ(drawn.weights[k], 1);
  }
}

TEST(UniformPlanTest, EveryWholeSubsetIsEquallyLikely) {
  // 20 subsets of 3 out of 6, 20,000 epochs: 19 degrees of freedom.
  std::map<uint32_t, uint64_t> seen;
  for (uint64_t epoch = 0; epoch < 20000; ++epoch) {
    uint32_t set = 0;
    for (const uint32_t i : DrawEpoch(*Build(UniformInput(6, .5, {5, 1, epoch}))).indices) {
      set |= 1u << i;
    }
    ++seen[set];
  }
  ASSERT_EQ(seen.size(), 20);
  std::vector<uint64_t> counts;
  for (const auto& [set, count] : seen) counts.push_back(count);
  const ChiSquare chi = Pearson(counts, std::vector<double>(20, .05));
  EXPECT_LT(chi.value, ChiSquareLimit(chi.df));
}

TEST(UniformPlanTest, EverySampleIsAtEveryPositionEquallyOften) {
  // Positions by items over whole permutations: (N - 1) / N of Pearson's sum has (N - 1)^2 degrees.
  constexpr size_t kN = 10;
  std::vector<uint64_t> table(kN * kN);
  for (uint64_t epoch = 0; epoch < 20000; ++epoch) {
    const Drawn drawn = DrawEpoch(*Build(UniformInput(kN, 1, {6, 1, epoch})));
    for (size_t p = 0; p < kN; ++p) ++table[p * kN + drawn.indices[p]];
  }
  const ChiSquare chi = Pearson(table, std::vector<double>(kN * kN, 1. / (kN * kN)));
  const double df = (kN - 1) * (kN - 1);
  EXPECT_LT(chi.value * (kN - 1) / kN, ChiSquareLimit(df));
  EXPECT_GT(chi.value * (kN - 1) / kN, ChiSquareFloor(df));
}

TEST(UniformPlanTest, EverySampleOfALargeDatasetIsIncludedEquallyOften) {
  // Without replacement Pearson's sum times (N - 1) / (N - k) has N - 1 degrees of freedom.
  constexpr uint64_t kN = 100000;
  std::vector<uint64_t> counts(kN);
  for (uint64_t epoch = 0; epoch < 100; ++epoch) {
    for (const uint32_t i : DrawEpoch(*Build(UniformInput(kN, .1, {7, 1, epoch}))).indices) {
      ++counts[i];
    }
  }
  const ChiSquare chi = Pearson(counts, std::vector<double>(kN, 1. / kN));
  const double value = chi.value * (kN - 1) / (kN - kN / 10);
  EXPECT_LT(value, ChiSquareLimit(kN - 1));
  EXPECT_GT(value, ChiSquareFloor(kN - 1));
}

TEST(UniformPlanTest, SeedVersionAndEpochEachGiveAnotherOrder) {
  std::set<std::vector<uint32_t>> orders;
  for (const StreamKey& key :
       {StreamKey{1, 1, 0}, StreamKey{2, 1, 0}, StreamKey{1, 2, 0}, StreamKey{1, 1, 1}}) {
    orders.insert(DrawEpoch(*Build(UniformInput(1000, .5, key))).indices);
    orders.insert(DrawEpoch(*Build(UniformInput(1000, .5, key))).indices);
  }
  EXPECT_EQ(orders.size(), 4);
}

TEST(PlanTest, PositionsMayBeCutIntoCallsAnywhere) {
  Scores scores([] {
    std::vector<float> values(3000);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 97);
    return values;
  }());
  PlanInput pruning = UniformInput(3000);
  pruning.spec.preference.kind = Preference::Kind::kBelowMeanPruning;
  pruning.spec.preference.total_epochs = 10;
  ASSERT_OK(ResolveSpec(&pruning.spec));
  pruning.columns.scores["loss"] = scores.view();
  for (const PlanInput& input : {UniformInput(3000, .7), EqualInput({2000, 900, 100}), pruning}) {
    const auto plan = Build(input);
    const Drawn whole = DrawEpoch(*plan);
    Drawn cut(whole.indices.size());
    std::mt19937_64 random(8);
    for (size_t p = 0; p < cut.indices.size();) {
      const size_t count = std::min(1 + random() % 700, cut.indices.size() - p);
      plan->Draw(p, absl::MakeSpan(cut.indices).subspan(p, count),
                 absl::MakeSpan(cut.probabilities).subspan(p, count),
                 absl::MakeSpan(cut.weights).subspan(p, count));
      p += count;
    }
    EXPECT_EQ(cut.indices, whole.indices);
    EXPECT_EQ(cut.probabilities, whole.probabilities);
    EXPECT_EQ(cut.weights, whole.weights);
    Drawn bare(whole.indices.size());
    plan->Draw(0, absl::MakeSpan(bare.indices), {}, {});
    EXPECT_EQ(bare.indices, whole.indices);
  }
}

TEST(PlanTest, NoSlotIsNothingToDraw) {
  for (const PlanInput& input : {UniformInput(0), UniformInput(9, .1)}) {
    const auto plan = BuildPlan(input);
    EXPECT_THAT(plan, StatusIs(absl::StatusCode::kFailedPrecondition));
    EXPECT_THAT(plan, ReasonIs("NOTHING_TO_DRAW"));
  }
}

TEST(SharesTest, RoundingSumsStaysBelowOneAndIsUnbiased) {
  for (const std::vector<size_t>& sizes :
       {std::vector<size_t>{900, 90, 10}, std::vector<size_t>{1, 1, 1, 1, 1, 1, 1}}) {
    PlanInput input = EqualInput(sizes);
    for (const auto kind : {Proportion::Kind::kEqual, Proportion::Kind::kNatural}) {
      input.spec.proportion.kind = kind;
      const Shares shares = SharesOf(input, *BuildPopulation(input));
      for (const uint64_t slots : {1, 3, 5, 100}) {
        std::vector<double> sums(sizes.size());
        constexpr int kEpochs = 4000;
        for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
          const auto counts = RoundShares(shares, slots, {9, 1, epoch});
          EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), slots);
          for (size_t g = 0; g < sizes.size(); ++g) {
            EXPECT_LT(std::abs(static_cast<double>(counts[g]) - slots * shares.share(g)), 1);
            sums[g] += static_cast<double>(counts[g]);
          }
        }
        for (size_t g = 0; g < sizes.size(); ++g) {
          // A rounding has variance <= 1/4: 5 sigma, below 1e-6 each.
          EXPECT_NEAR(sums[g] / kEpochs, slots * shares.share(g), 2.5 / std::sqrt(kEpochs));
          EXPECT_GT(sums[g], 0) << "a stratum was rounded away for good";
        }
      }
    }
  }
}

// Offsets drawn anew for each epoch would leave some stratum tens of slots away by then.
TEST(SharesTest, OverTheEpochsOfARunStrataStayNearTheirShares) {
  std::mt19937_64 random(6);
  std::vector<double> equal(200, 1);
  std::vector<double> mixed;
  for (int g = 0; g < 50; ++g) mixed.push_back(std::exp2(static_cast<double>(random() % 64) / 8));
  for (const std::vector<double>& weights : {equal, mixed}) {
    for (const uint64_t slots : {7, 50}) {
      const Shares shares = SharesInProportion(weights);
      std::vector<double> served(weights.size());
      for (uint64_t epoch = 0; epoch < 2000; ++epoch) {
        const auto counts = RoundShares(shares, slots, {9, 1, epoch});
        for (size_t g = 0; g < weights.size(); ++g) {
          served[g] += static_cast<double>(counts[g]);
          const double share = static_cast<double>((epoch + 1) * slots) * shares.share(g);
          ASSERT_LT(std::abs(served[g] - share), 4) << "stratum " << g << ", epoch " << epoch;
        }
      }
    }
  }
}

TEST(EqualSharesTest, APartOfOneStratumAloneIsOfItsMembers) {
  for (const size_t n : {10, 70000}) {
    const PlanInput input = EqualInput({n, 3 * n}, .5);  // n slots each
    const std::vector<uint64_t> counts =
        CountsOf(DrawEpoch(*Build(input)).indices, input.num_samples);
    EXPECT_EQ(std::count(counts.begin(), counts.begin() + n, 1), n);
    EXPECT_EQ(std::count(counts.begin() + n, counts.end(), 1), n);
    EXPECT_EQ(std::count(counts.begin() + n, counts.end(), 0), 2 * n);
  }
}

TEST(EqualSharesTest, ShareSlotsEquallyAndRepeatNoneBeforeTheOthers) {
  const std::vector<size_t> sizes = {900, 90, 10};
  const PlanInput input = EqualInput(sizes);
  const auto plan = Build(input);
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(drawn.indices.size(), 1000);
  const auto counts = CountsOf(drawn.indices, 1000);
  uint64_t first = 0;
  uint64_t distinct = 0;
  double sum_squares = 0;
  for (const size_t size : sizes) {
    const auto begin = counts.begin() + first;
    const uint64_t slots = std::accumulate(begin, begin + size, uint64_t{0});
    EXPECT_LT(std::abs(static_cast<double>(slots) - 1000. / 3), 1);
    const auto [least, most] = std::minmax_element(begin, begin + size);
    EXPECT_EQ(*least, slots / size);
    EXPECT_EQ(*most, (slots + size - 1) / size);
    distinct += std::min<uint64_t>(slots, size);
    const double mu = static_cast<double>(slots) / static_cast<double>(size);
    sum_squares += static_cast<double>(size) * (mu / 1000) * (mu / 1000);
    for (size_t p = 0; p < drawn.indices.size(); ++p) {
      if (drawn.indices[p] < first || drawn.indices[p] >= first + size) continue;
      EXPECT_DOUBLE_EQ(drawn.probabilities[p], mu);
      EXPECT_FLOAT_EQ(drawn.weights[p], static_cast<float>(1000. / 3 / slots));
    }
    first += size;
  }
  EXPECT_EQ(plan->traits().distinct_samples, distinct);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kExpectedCount);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  EXPECT_NEAR(plan->traits().effective_sample_ratio, 1 / (1000 * sum_squares), 1e-12);
}

TEST(EqualSharesTest, EqualClassesAreOneProbabilityAndWeightOne) {
  const auto plan = Build(EqualInput({6000, 6000, 6000, 6000, 6000}));
  EXPECT_EQ(plan->traits().probability, 1.0);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_EQ(plan->traits().distinct_samples, 30000);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
}

// sum_i mu_i w_i f_i / M = sum_i r_i f_i. Where f depends on the stratum only, the left side is
// (1/M) sum over positions of w f: fixed by the quotas, whatever the keyed choice.
TEST(EqualSharesTest, WeightsGiveTheMeanOfTheirTarget) {
  const std::vector<size_t> sizes = {700, 50, 13, 1};
  const std::vector<double> f = {1, -3, 20, 1000};
  for (const double fraction : {1., .5, .1}) {
    for (const auto target : {Weight::Target::kNatural, Weight::Target::kBalanced}) {
      const PlanInput input = EqualInput(sizes, fraction, target);
      const auto plan = Build(input);
      const Drawn drawn = DrawEpoch(*plan);
      const double m = static_cast<double>(drawn.indices.size());
      double mean = 0;
      for (size_t p = 0; p < drawn.indices.size(); ++p) {
        size_t g = 0;
        while (drawn.indices[p] >= input.strata->offsets[g + 1]) ++g;
        const double r = target == Weight::Target::kNatural
                             ? 1. / static_cast<double>(input.num_samples)
                             : 1. / (4. * static_cast<double>(sizes[g]));
        const double w = m * r / drawn.probabilities[p];
        EXPECT_FLOAT_EQ(drawn.weights[p], static_cast<float>(w));
        mean += w * f[g] / m;
      }
      double exact = 0;
      for (size_t g = 0; g < sizes.size(); ++g) {
        exact += f[g] * (target == Weight::Target::kNatural
                             ? static_cast<double>(sizes[g]) / input.num_samples
                             : .25);
      }
      EXPECT_NEAR(mean, exact, 1e-9 * std::abs(exact));
    }
  }
}

TEST(EqualSharesTest, TooFewSlotsForEveryStratumAreUnbiasedOverEpochsAndSaySo) {
  // 2 slots, 4 strata: each appears in every second epoch; w makes up for it.
  PlanInput input = EqualInput({5, 5, 5, 5}, .1);
  double mean = 0;
  constexpr int kEpochs = 8000;
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    input.key.epoch = epoch;
    const auto plan = Build(input);
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
    EXPECT_EQ(plan->traits().probability, .1);
    const Drawn drawn = DrawEpoch(*plan);
    ASSERT_EQ(drawn.indices.size(), 2);
    for (size_t p = 0; p < 2; ++p) mean += drawn.weights[p] * (drawn.indices[p] / 5) / 2;
  }
  // Mean of 0, 1, 2, 3; one epoch gives (0 + 2) / 2 or (1 + 3) / 2: sigma 1/2, five of them.
  EXPECT_NEAR(mean / kEpochs, 1.5, 2.5 / std::sqrt(kEpochs));
}

TEST(EqualSharesTest, TheRemainderOfAStratumIsAUniformSubset) {
  // 70,000 members (a Feistel choice) and 300 (a table), fewer slots than members in the first.
  const std::vector<size_t> sizes = {70000, 300};
  PlanInput input = EqualInput(sizes);
  std::vector<uint64_t> counts(70300);
  constexpr uint64_t kEpochs = 40;
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    input.key.epoch = epoch;
    for (const uint32_t i : DrawEpoch(*Build(input)).indices) ++counts[i];
  }
  const std::vector<uint64_t> large(counts.begin(), counts.begin() + 70000);
  ChiSquare chi = Pearson(large, std::vector<double>(70000, 1. / 70000));
  double value = chi.value * 69999 / (70000 - 35150);
  EXPECT_LT(value, ChiSquareLimit(69999));
  EXPECT_GT(value, ChiSquareFloor(69999));
  // 35,150 slots for 300 members: 117 full passes and a remainder of 50.
  std::vector<uint64_t> remainder(counts.begin() + 70000, counts.end());
  for (uint64_t& count : remainder) count -= 117 * kEpochs;
  chi = Pearson(remainder, std::vector<double>(300, 1. / 300));
  value = chi.value * 299 / (300 - 50);
  EXPECT_LT(value, ChiSquareLimit(299));
}

TEST(EqualSharesTest, StrataOfOneSizeChooseIndependently) {
  PlanInput input = EqualInput({5, 5}, .2);  // one slot each
  std::vector<uint64_t> pairs(25);
  for (uint64_t epoch = 0; epoch < 10000; ++epoch) {
    input.key.epoch = epoch;
    std::vector<uint32_t> indices = DrawEpoch(*Build(input)).indices;
    std::sort(indices.begin(), indices.end());
    ++pairs.at(indices.at(0) * 5 + indices.at(1) - 5);
  }
  const ChiSquare chi = Pearson(pairs, std::vector<double>(25, 1. / 25));
  EXPECT_LT(chi.value, ChiSquareLimit(24));
}

TEST(EqualSharesTest, EveryPositionHoldsEveryStratumByItsShare) {
  // w is exact for every batch only if position 0 is as mixed as any other.
  PlanInput input = EqualInput({8, 2, 1, 1});
  std::vector<uint64_t> table(12 * 4);
  for (uint64_t epoch = 0; epoch < 20000; ++epoch) {
    input.key.epoch = epoch;
    const Drawn drawn = DrawEpoch(*Build(input));
    for (size_t p = 0; p < 12; ++p) {
      const uint32_t i = drawn.indices[p];
      ++table[p * 4 + (i < 8 ? 0 : i < 10 ? 1 : i - 8)];
    }
  }
  // Each stratum has 3 of 12 slots in every epoch, so Pearson's sum times (M - 1) / M has
  // (12 - 1) * (4 - 1) degrees of freedom.
  const ChiSquare chi = Pearson(table, std::vector<double>(48, 1. / 48));
  EXPECT_LT(chi.value * 11 / 12, ChiSquareLimit(33));
  EXPECT_GT(chi.value * 11 / 12, ChiSquareFloor(33));
}

TEST(NaturalSharesTest, ABalancedTargetWeighsTheDrawOfAllData) {
  PlanInput input = EqualInput({900, 90, 10});
  input.spec.proportion.kind = Proportion::Kind::kNatural;
  input.spec.weight.target = Weight::Target::kBalanced;
  ASSERT_OK(ResolveSpec(&input.spec));
  const auto plan = Build(input);
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(CountsOf(drawn.indices, 1000), std::vector<uint64_t>(1000, 1));
  EXPECT_EQ(plan->traits().probability, 1.0);
  EXPECT_FALSE(plan->traits().weight.has_value());
  for (size_t p = 0; p < 1000; ++p) {
    const double n_g = drawn.indices[p] < 900 ? 900 : drawn.indices[p] < 990 ? 90 : 10;
    EXPECT_FLOAT_EQ(drawn.weights[p], static_cast<float>(1000 / (3 * n_g)));
  }
}

TEST(NoWeightTest, IsUnbiasedOnlyWhereTheDrawIsUniform) {
  PlanInput uniform = UniformInput(100, .5);
  uniform.spec.weight.target = Weight::Target::kNone;
  EXPECT_EQ(Build(uniform)->traits().unbiased_over, UnbiasedOver::kBatch);
  const auto equal = Build(EqualInput({90, 10}, 1, Weight::Target::kNone));
  EXPECT_EQ(equal->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(equal->traits().weight, 1.0f);
}

TEST(TemperedWeightTest, IsThePowerOfTheExactWeightAndBiased) {
  PlanInput input = EqualInput({90, 10}, 1, Weight::Target::kNatural);
  input.spec.weight.beta = .5;
  const auto plan = Build(input);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  const Drawn drawn = DrawEpoch(*plan);
  for (size_t p = 0; p < 100; ++p) {
    EXPECT_FLOAT_EQ(drawn.weights[p], std::sqrt(drawn.indices[p] < 90 ? 1.8f : .2f));
  }
}

}  // namespace
}  // namespace subset::sampling
