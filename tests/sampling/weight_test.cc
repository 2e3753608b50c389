// Beta, clip and normalisation, in that order.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/least_leaf.h"
#include "sampling/plan.h"
#include "sampling/score_draw.h"
#include "sampling/targets.h"
#include "sampling/weight_rule.h"
#include "tests/sampling/members.h"
#include "tests/sampling/score_draw_testing.h"
#include "tests/sampling/spec_case.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

std::unique_ptr<EpochPlan> PlanOf(Case& c) {
  if (c.input.strata != nullptr) c.input.spec.proportion.column = "label";
  if (c.input.spec.preference.kind == Kind::kUniform) {
    c.guard().unscored = Guard::Unscored::kDefault;
  }
  EXPECT_OK(ResolveSpec(&c.input.spec));
  auto plan = BuildPlan(c.input);
  EXPECT_OK(plan);
  return *std::move(plan);
}

TEST(WeightRuleTest, BetaThenClipThenNormalisation) {
  Weight weight;
  weight.beta = .5;
  weight.clip = 3;
  weight.normalise = Weight::Normalise::kMaximum;
  const WeightRule rule(weight, 16);  // 16 -> 4 -> 3 -> 1
  EXPECT_DOUBLE_EQ(rule(16), 1);
  EXPECT_NEAR(rule(4), 2. / 3, 1e-12);
  EXPECT_NEAR(rule(1), 1. / 3, 1e-12);
  EXPECT_FALSE(rule.exact());
  EXPECT_TRUE(WeightRule(Weight{}, 16).exact());
}

TEST(TargetsTest, ABalancedTargetCountsEveryOuterStratumTheSame) {
  auto strata = std::make_shared<Strata>();
  strata->values = {4, 4, 7};
  strata->inner_values = {0, 1, 0};
  strata->offsets = {0, 1, 4, 6};
  strata->members = Members({0, 1, 2, 3, 4, 5});
  PlanInput input;
  input.num_samples = 6;
  input.spec.weight.target = Weight::Target::kBalanced;
  EXPECT_EQ(InverseTargets(input, {6, strata}), (std::vector<double>{8, 8, 4}));
  input.spec.weight.target = Weight::Target::kNatural;
  EXPECT_EQ(InverseTargets(input, {6, strata}), (std::vector<double>{6, 6, 6}));
}

TEST(WeightTest, MaximumDividesByTheLargestWeightTheEpochCanGive) {
  // Prioritized replay's published example.
  Case c(Kind::kScorePower, {1, 2, 3, 4});
  c.preference().alpha = .6;
  c.input.spec.weight.beta = .4;
  c.input.spec.weight.normalise = Weight::Normalise::kMaximum;
  const auto plan = PlanOf(c);
  const double w[] = {1, .846745, .768229, .716978};
  const Drawn drawn = DrawEpoch(*plan);
  for (size_t k = 0; k < 4; ++k) EXPECT_NEAR(drawn.weights[k], w[drawn.indices[k]], 3e-4);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
}

TEST(WeightTest, TheLargestWeightFollowsLiveScores) {
  Case c(Kind::kScorePower, Lognormal(500, 41));
  c.Stratify(Labels(500, 42));
  c.input.spec.proportion.column = "label";
  c.input.spec.weight.normalise = Weight::Normalise::kMaximum;
  c.input.spec.snapshot = Snapshot::kLive;
  EXPECT_OK(ResolveSpec(&c.input.spec));
  const auto draw = Build(c.input);
  std::mt19937_64 random(43);
  for (int round = 0; round < 20; ++round) {
    std::vector<uint32_t> indices;
    std::vector<float> scores;
    for (int k = 0; k < 30; ++k) {
      indices.push_back(random() % 500);
      scores.push_back(static_cast<float>(random() % 1000) / 100);
    }
    draw->Update(indices, scores);
    std::vector<double> q(500);
    draw->Probabilities(absl::MakeSpan(q));
    double largest = 0;
    for (const double p : q) {
      if (p > 0) largest = std::max(largest, 1 / (500 * p));
    }
    const Drawn drawn = DrawMany(*draw, 1000);
    for (size_t k = 0; k < 1000; ++k) {
      ASSERT_NEAR(drawn.weights[k], 1 / (500 * drawn.probabilities[k]) / largest, 1e-6);
    }
  }
}

TEST(WeightTest, LeastLeavesAreThoseOfAScan) {
  std::mt19937_64 random(44);
  for (const size_t n : {1, 63, 64, 65, 5000}) {
    std::vector<Leaf> leaves(n);
    for (Leaf& leaf : leaves) leaf = random() % 3 == 0 ? 0 : static_cast<Leaf>(random());
    LeastLeaf least(leaves);
    for (int round = 0; round < 300; ++round) {
      const auto slot = static_cast<uint32_t>(random() % n);
      leaves[slot] = random() % 2 == 0 ? 0 : static_cast<Leaf>(random());
      least.Update(leaves, {slot});
      const uint64_t first = random() % n;
      const uint64_t last = first + random() % (n - first + 1);
      Leaf expected = 0;
      for (uint64_t i = first; i < last; ++i) {
        if (leaves[i] > 0 && (expected == 0 || leaves[i] < expected)) expected = leaves[i];
      }
      ASSERT_EQ(least.Find(leaves, first, last), expected);
    }
  }
}

TEST(WeightTest, SelfNormalisedWeightsHaveMeanOneInEveryGlobalBatch) {
  for (const Kind kind : {Kind::kScorePower, Kind::kBelowMeanPruning}) {
    Case c(kind, Lognormal(1000, 45));
    c.guard().unscored = Guard::Unscored::kDefault;
    c.preference().total_epochs = 10;
    c.input.spec.weight.normalise = Weight::Normalise::kSelf;
    c.input.batch_size = 64;
    const auto plan = PlanOf(c);
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
    const Drawn whole = DrawEpoch(*plan);
    for (size_t first = 0; first < whole.weights.size(); first += 64) {
      const size_t last = std::min<size_t>(first + 64, whole.weights.size());
      double sum = 0;
      for (size_t k = first; k < last; ++k) sum += whole.weights[k];
      EXPECT_NEAR(sum / static_cast<double>(last - first), 1, 1e-6);
    }
    for (size_t p = 0; p < whole.weights.size(); p += 37) {  // as parts of batches
      const size_t count = std::min<size_t>(37, whole.weights.size() - p);
      std::vector<uint32_t> indices(count);
      std::vector<float> weights(count);
      plan->Draw(p, absl::MakeSpan(indices), {}, absl::MakeSpan(weights));
      for (size_t k = 0; k < count; ++k) ASSERT_EQ(weights[k], whole.weights[p + k]);
    }
  }
}

TEST(WeightTest, AClipBelowTheLargestWeightIsBiasAndOneAboveItIsNot) {
  Case c(Kind::kScorePower, {1, 2, 3, 4});
  c.guard().uniform_floor = .5;
  c.input.spec.weight.clip = 1.1;
  auto plan = PlanOf(c);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  for (const float w : DrawEpoch(*plan).weights) EXPECT_LE(w, 1.1f);
  c.input.spec.weight.clip = 2;
  EXPECT_EQ(PlanOf(c)->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(WeightTest, ABandIsAnEpochOfWhatItChoosesWithWeightOne) {
  Case c(Kind::kBand, {5, 1, 4, 2, 3, kNanF});
  c.guard().unscored = Guard::Unscored::kDefault;
  c.input.spec.draw.kind = Draw::Kind::kEpoch;
  c.preference().keep = .4;
  const auto plan = PlanOf(c);
  EXPECT_EQ(CountsOf(DrawEpoch(*plan).indices, 6), (std::vector<uint64_t>{1, 0, 1, 0, 0, 1}));
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_EQ(plan->traits().probability, 1.0);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(plan->traits().distinct_samples, 3);
  c.input.columns.scores.clear();
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(c.input, plan->Serialize()));
  EXPECT_EQ(DrawEpoch(*parsed).indices, DrawEpoch(*plan).indices);
  c.preference().keep = 1;
  Case all = Case(Kind::kBand, {5, 1, 4});
  all.guard().unscored = Guard::Unscored::kDefault;
  all.input.spec.draw.kind = Draw::Kind::kEpoch;
  EXPECT_EQ(PlanOf(all)->traits().unbiased_over, UnbiasedOver::kBatch) << "nothing is left out";
}

TEST(WeightTest, SharesOfABandRepeatItsSamples) {
  Case c(Kind::kBand, {9, 8, 1, 7, 6, 0, 0, 0});
  c.Stratify({0, 0, 0, 1, 1, 1, 2, 2});
  c.guard().unscored = Guard::Unscored::kDefault;
  c.input.spec.draw.kind = Draw::Kind::kEpoch;
  c.input.spec.proportion.kind = Proportion::Kind::kEqual;
  c.preference().keep = .375;  // 9, 8, 7: none of stratum 2, which is drawn from whole
  const auto plan = PlanOf(c);
  EXPECT_TRUE(plan->traits().fell_back_to_uniform);
  std::vector<double> mu(8);
  plan->Expect(absl::MakeSpan(mu));
  EXPECT_EQ(mu, (std::vector<double>{.5, .5, 0, 1, 0, 0, .5, .5}));
  // r on what can be drawn: (2/9, 1/9, 3/9) by stratum, over 2/3; a slot each.
  const float w[] = {1, 1, 0, .5, 0, 0, 1.5, 1.5};
  const Drawn drawn = DrawEpoch(*plan);
  for (size_t k = 0; k < 3; ++k) EXPECT_FLOAT_EQ(drawn.weights[k], w[drawn.indices[k]]);
}

}  // namespace
}  // namespace subset::sampling
