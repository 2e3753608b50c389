// Defects found in other systems that concern drawing. Each test shows the defect's own example,
// with what the other system gives, and that ours is right.

#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/forgetting.h"
#include "sampling/group_weights.h"
#include "sampling/permutation.h"
#include "sampling/plan.h"
#include "sampling/rounds.h"
#include "sampling/select.h"
#include "sampling/weight_index.h"
#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;

PlanInput InfoBatch(const Scores& scores, uint64_t n, double delta, uint32_t epochs) {
  PlanInput input;
  input.spec.preference.kind = Preference::Kind::kBelowMeanPruning;
  input.spec.preference.delta = delta;
  input.spec.preference.total_epochs = epochs;
  EXPECT_OK(ResolveSpec(&input.spec));
  input.num_samples = n;
  input.columns.scores["loss"] = scores.view();
  return input;
}

// What sample i adds to the expected mean of a batch of 2, drawn one after the other without
// replacement from p and weighed by 1 / (N p_i).
std::vector<double> SuccessiveCoefficients(const std::vector<double>& p) {
  std::vector<double> coefficients(p.size());
  for (size_t a = 0; a < p.size(); ++a) {
    for (size_t b = 0; b < p.size(); ++b) {
      if (a == b) continue;
      const double probability = p[a] * p[b] / (1 - p[a]);
      for (const size_t i : {a, b}) {
        coefficients[i] += probability / (static_cast<double>(p.size()) * p[i]) / 2;
      }
    }
  }
  return coefficients;
}

TEST(KnownDefectsTest, ModynWeighsDrawsWithoutReplacementAsIfWithReplacement) {
  // Defect 1. The other's coefficients, instead of 1/3 each:
  const auto theirs = SuccessiveCoefficients({.6, .3, .1});
  EXPECT_NEAR(theirs[0], .256614, 5e-7);
  EXPECT_NEAR(theirs[1], .435185, 5e-7);
  EXPECT_NEAR(theirs[2], .488095, 5e-7);

  ListInput input(Draw::Kind::kSystematic, 3);
  input.Prefer({.6f, .3f, .1f}).input.spec.draw.fraction = 2. / 3;
  std::vector<double> ours(3);
  const auto pi = ExpectedOf(*input.Build(), 3);
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const Drawn drawn = DrawEpoch(*input.Epoch(epoch).Build());
    ASSERT_EQ(drawn.indices.size(), 2);
    for (size_t k = 0; k < 2; ++k) {
      ours[drawn.indices[k]] = pi[drawn.indices[k]] * drawn.weights[k] / 2;
    }
  }
  for (const double coefficient : ours) EXPECT_NEAR(coefficient, 1. / 3, 1e-7);  // a float's
}

TEST(KnownDefectsTest, ModynFairShareLosesSlotsWhereClassesAreOfEqualSize) {
  // Defect 2: 50 of 60 slots for (10, 10, 100), 39 for (10, 11, 100).
  for (const auto& [sizes, expected] :
       {std::pair<std::vector<size_t>, std::vector<uint64_t>>{{10, 10, 100}, {10, 10, 40}},
        {{10, 11, 100}, {10, 11, 39}}}) {
    const size_t n = std::accumulate(sizes.begin(), sizes.end(), size_t{0});
    ListInput input(Draw::Kind::kSystematic, n);
    input.Strata(sizes, Proportion::Kind::kEqual).input.spec.draw.fraction =
        60 / static_cast<double>(n);
    const auto labels = LabelsWithCounts(sizes);
    std::vector<uint64_t> counts(3);
    for (const uint32_t i : DrawEpoch(*input.Build()).indices) ++counts[labels[i]];
    EXPECT_EQ(counts, expected);
  }
}

TEST(KnownDefectsTest, GrainShufflesJustAboveAPowerOfTwoAreNoPermutations) {
  // Defect 3: one index twice and one never, for 2^16 + 1 and 2^18 + 1.
  for (const uint64_t n : {uint64_t{65537}, uint64_t{262145}, uint64_t{65536}, uint64_t{65538}}) {
    std::vector<uint32_t> image(n);
    Permutation(n, DeriveKey({1, 1, 0}, Purpose::kSlotOrder)).Fill(0, absl::MakeSpan(image));
    EXPECT_EQ(CountsOf(image, n), std::vector<uint64_t>(n, 1));
  }
}

TEST(KnownDefectsTest, InfoBatchPrunesWhereAllScoresAreEqual) {
  // Defect 5: a mean rounded above 3.0 marks everything well learned and doubles the loss.
  for (const float score : {3.0f, .1f, 1e-38f, 3e38f}) {
    const Scores scores(std::vector<float>(100003, score));
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(InfoBatch(scores, 100003, .875, 10)));
    EXPECT_EQ(plan->traits().num_positions, 100003) << score;
    EXPECT_EQ(plan->traits().weight, 1.0f);
  }
}

// RS2's official UniformNoReplacement: slices of one order, wrapping around at N + 1.
std::vector<size_t> OfficialRoundSizes(uint64_t n, uint64_t size, int rounds) {
  std::vector<size_t> sizes;
  uint64_t start = 0;
  for (int round = 0; round < rounds; ++round) {
    const uint64_t end = (start + size) % (n + 1);
    sizes.push_back(start < end ? end - start : (n - start) + end);
    start = end;
  }
  return sizes;
}

TEST(KnownDefectsTest, Rs2RoundsAreShortWhereTheyDoNotDivideTheData) {
  // Defect 6: N = 10, size 3.
  EXPECT_THAT(OfficialRoundSizes(10, 3, 8), ElementsAre(3, 3, 3, 2, 3, 3, 3, 2));
  std::vector<uint64_t> counts(10);
  for (uint64_t round = 0; round < 10; ++round) {
    const auto slice = RoundSlice({1, 1, 0}, 10, 3, round);
    EXPECT_EQ(std::set<uint32_t>(slice.begin(), slice.end()).size(), 3);
    for (const uint32_t i : slice) ++counts[i];
  }
  EXPECT_EQ(counts, std::vector<uint64_t>(10, 3));
}

TEST(KnownDefectsTest, DeepCoreCountsNeverLearnedSamplesAsNeverForgotten) {
  // Defect 7: 0 events, so that they are selected last; the original ranks them first.
  float never = NAN;
  float forgotten = NAN;
  for (const bool correct : {true, false, true, false}) {
    never = FoldForgetting(never, false);
    forgotten = FoldForgetting(forgotten, correct);
  }
  EXPECT_GT(ForgettingRank(never), ForgettingRank(forgotten));
  EXPECT_GT(ForgettingWeight(never), ForgettingWeight(forgotten));
  EXPECT_GT(never, forgotten);
}

TEST(KnownDefectsTest, ReverbRebuildsItsSumsBecauseTheyDrift) {
  // Defect 9, the second half: float sums drift from their leaves. Ours are whole numbers: whatever
  // was stored on the way, the sum is that of the leaves.
  constexpr uint64_t kSlots = 1000;
  std::mt19937_64 random(9);
  std::vector<Leaf> leaves(kSlots);
  WeightIndex index(leaves);
  for (int update = 0; update < 200000; ++update) {
    const uint32_t slot = random() % kSlots;
    leaves[slot] = static_cast<Leaf>(random() % (update % 2 == 0 ? 0x10000 : 16));
    index.Set({slot}, {leaves[slot]});
  }
  uint64_t sum = 0;
  for (const Leaf leaf : leaves) sum += LeafWeight(leaf);
  EXPECT_EQ(index.total(), sum);
}

TEST(KnownDefectsTest, PytorchMultinomialReturnsItemsOfWeightZero) {
  // Defect 11. Every other score is zero, and so is the last.
  constexpr size_t kN = 1001;
  std::vector<float> values(kN);
  for (size_t i = 1; i < kN; i += 2) values[i] = static_cast<float>(i % 5) * 1e-30f + 1e-38f;
  for (const Draw::Kind kind :
       {Draw::Kind::kSystematic, Draw::Kind::kIndependent, Draw::Kind::kWithReplacement}) {
    ListInput input(kind, kN);
    input.Prefer(values);
    ASSERT_OK(ResolveSpec(&input.input.spec));
    for (uint64_t epoch = 0; epoch < 20; ++epoch) {
      input.Epoch(epoch);
      ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input.input));
      for (const uint32_t i : DrawEpoch(*plan).indices) ASSERT_GT(values[i], 0);
    }
  }
  SelectRule rule;
  rule.kind = SelectRule::Kind::kProportional;
  rule.count = kN;
  ASSERT_OK_AND_ASSIGN(const Selection selection, Select(rule, {1, 1, 0}, 0, values));
  for (const uint32_t place : selection.chosen) ASSERT_GT(values[place], 0);
}

TEST(KnownDefectsTest, GroupDroAdjustsNoGroupUnlessItAdjustsAll) {
  // Defect 13: its C / sqrt(n_g) is left out for all groups where one's is not positive. Ours is
  // each group's own, however large another is.
  Proportion rule;
  rule.kind = Proportion::Kind::kGroupDro;
  rule.eta = 1;
  rule.adjustment = 2;
  GroupWeights weights(3);
  weights.Update(rule, std::vector<double>{1, 1, 1},
                 std::vector<uint64_t>{1, 100, uint64_t{1} << 62});
  const std::vector<double> shares = weights.Shares(rule.kind);
  EXPECT_NEAR(std::log(shares[0] / shares[2]), 2, 1e-8);
  EXPECT_NEAR(std::log(shares[1] / shares[2]), .2, 1e-8);
}

TEST(KnownDefectsTest, InfoBatchNeverAnnealsWhereDeltaTIsNotWhole) {
  // Defect 15: delta T = 8.75, which `iterations == stop_prune + 1` never meets, so the last epochs
  // train on the last kept set with weights 1 / (1 - r).
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 0.0f);
  const Scores scores(values);
  PlanInput input = InfoBatch(scores, 1000, .875, 10);
  for (uint64_t epoch = 0; epoch < 10; ++epoch) {
    input.key.epoch = epoch;
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
    EXPECT_EQ(plan->traits().num_positions, epoch < 8 ? 750 : 1000) << epoch;
    EXPECT_EQ(plan->traits().weight, epoch < 8 ? std::nullopt : std::optional<float>(1));
  }
}

}  // namespace
}  // namespace subset::sampling
