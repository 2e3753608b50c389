// Epoch plans of below-mean pruning.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "sampling/presets.h"
#include "sampling/stored_set.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

class InfoBatchTest : public ::testing::Test {
 protected:
  static PlanInput Input(const Scores& scores, uint64_t n, uint64_t epoch,
                         uint32_t total_epochs = 200) {
    PlanInput input;
    input.spec =
        PresetSpec("infobatch", {{"total_epochs", static_cast<double>(total_epochs)}}, {}).value();
    input.key = {11, 1, epoch};
    input.num_samples = n;
    input.columns.scores["loss"] = scores.view();
    return input;
  }
  static std::unique_ptr<EpochPlan> Build(const PlanInput& input) {
    auto plan = BuildPlan(input);
    EXPECT_OK(plan);
    return plan.ok() ? *std::move(plan) : nullptr;
  }
  // n scores, one in ten missing.
  static Scores Mixed(size_t n, uint64_t seed) {
    std::mt19937_64 random(seed);
    std::lognormal_distribution<float> lognormal(0, 1);
    std::vector<float> values(n);
    for (float& value : values) value = random() % 10 == 0 ? NAN : lognormal(random);
    return Scores(values);
  }
  // The low set by the definition, in long double.
  static std::vector<bool> Low(const Scores& scores, size_t n) {
    long double sum = 0;
    size_t scored = 0;
    for (size_t i = 0; i < n; ++i) {
      if (std::isnan(scores[i])) continue;
      sum += scores[i];
      ++scored;
    }
    std::vector<bool> low(n);
    for (size_t i = 0; i < n; ++i) low[i] = scores[i] * static_cast<long double>(scored) < sum;
    return low;
  }
};

TEST_F(InfoBatchTest, PrunesHalfOfWhatIsBelowTheMeanAndWeighsTheRestOfItUp) {
  constexpr size_t kN = 100003;
  const Scores scores = Mixed(kN, 1);
  const std::vector<bool> low = Low(scores, kN);
  const auto num_low = static_cast<uint64_t>(std::count(low.begin(), low.end(), true));
  const uint64_t kept = num_low / 2;
  const auto plan = Build(Input(scores, kN, 3));
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(drawn.indices.size(), kN - num_low + kept);

  const auto counts = CountsOf(drawn.indices, kN);
  uint64_t kept_low = 0;
  for (size_t i = 0; i < kN; ++i) {
    EXPECT_LE(counts[i], 1);
    if (!low[i]) {
      EXPECT_EQ(counts[i], 1) << "high and unscored samples are never pruned";
    }
    kept_low += low[i] ? counts[i] : 0;
  }
  EXPECT_EQ(kept_low, kept);

  // The weights of an epoch sum to N: exactly, up to their own rounding to float.
  double sum = 0;
  for (size_t p = 0; p < drawn.indices.size(); ++p) {
    const bool is_low = low[drawn.indices[p]];
    const double pi = is_low ? static_cast<double>(kept) / static_cast<double>(num_low) : 1;
    EXPECT_DOUBLE_EQ(drawn.probabilities[p], pi);
    EXPECT_EQ(drawn.weights[p], static_cast<float>(1 / pi));
    sum += 1 / drawn.probabilities[p];
  }
  EXPECT_NEAR(sum, kN, 1e-9 * kN);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kEpoch);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
  EXPECT_EQ(plan->traits().distinct_samples, drawn.indices.size());
  const double saved = 1 - static_cast<double>(drawn.indices.size()) / kN;
  EXPECT_NEAR(saved, static_cast<double>(num_low - kept) / kN, 1e-12);
}

TEST_F(InfoBatchTest, KeepsAUniformSubsetOfTheLow) {
  constexpr size_t kN = 1000;
  std::vector<float> values(kN, 10);
  for (size_t i = 0; i < 400; ++i) values[2 * i] = 1;
  const Scores scores(values);
  std::vector<uint64_t> counts(kN);
  for (uint64_t epoch = 0; epoch < 170; ++epoch) {
    for (const uint32_t i : DrawEpoch(*Build(Input(scores, kN, epoch))).indices) ++counts[i];
  }
  std::vector<uint64_t> low;
  for (size_t i = 0; i < 400; ++i) low.push_back(counts[2 * i]);
  const ChiSquare chi = Pearson(low, std::vector<double>(400, 1. / 400));
  const double value = chi.value * 399 / (400 - 200);
  EXPECT_LT(value, ChiSquareLimit(399));
  EXPECT_GT(value, ChiSquareFloor(399));
}

TEST_F(InfoBatchTest, TheFirstEpochKeepsEverything) {
  const auto plan = Build(Input(Scores(std::vector<float>(5000, NAN)), 5000, 0));
  EXPECT_EQ(plan->traits().num_positions, 5000);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_EQ(plan->traits().probability, 1.0);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  EXPECT_EQ(Build(Input(Scores({}), 5000, 0))->traits().num_positions, 5000);
}

// The reference marks samples of equal loss 3.0 as well learned when the float mean is above 3.0.
TEST_F(InfoBatchTest, EqualScoresPruneNothing) {
  for (const float value : {3.0f, 0.1f, 2.3025851f, 0.0f}) {
    const auto plan = Build(Input(Scores(std::vector<float>(60000, value)), 60000, 1));
    EXPECT_EQ(plan->traits().num_positions, 60000);
    EXPECT_EQ(plan->traits().weight, 1.0f);
  }
}

TEST_F(InfoBatchTest, AnnealingDrawsEverythingWithWeightOne) {
  const Scores scores = Mixed(5000, 2);
  for (const uint32_t total : {200, 10, 3}) {
    uint64_t pruned = 0;
    for (uint64_t epoch = 0; epoch < total; ++epoch) {
      const auto plan = Build(Input(scores, 5000, epoch, total));
      pruned += plan->traits().num_positions < 5000;
      if (plan->traits().num_positions == 5000) {
        EXPECT_EQ(plan->traits().weight, 1.0f);
      }
    }
    EXPECT_EQ(pruned, total == 200 ? 175 : total == 10 ? 8 : 2);
  }
}

TEST_F(InfoBatchTest, BatchMeanScaleIsUnbiasedForEveryBatch) {
  constexpr size_t kN = 2000;
  const Scores scores = Mixed(kN, 3);
  PlanInput input = Input(scores, kN, 1);
  input.spec.preference.scale = Preference::Scale::kBatchMean;
  const auto plan = Build(input);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  const Drawn drawn = DrawEpoch(*plan);
  const double slots = static_cast<double>(drawn.indices.size());
  const std::vector<bool> low = Low(scores, kN);
  double mean = 0;  // of f = 5 for low samples and 1 for the others
  double exact = 0;
  for (size_t p = 0; p < drawn.indices.size(); ++p) {
    const double w = slots / kN / drawn.probabilities[p];
    EXPECT_FLOAT_EQ(drawn.weights[p], static_cast<float>(w));
    mean += w * (low[drawn.indices[p]] ? 5 : 1) / slots;
  }
  for (size_t i = 0; i < kN; ++i) exact += (low[i] ? 5. : 1.) / kN;
  EXPECT_NEAR(mean, exact, 1e-9);
}

TEST_F(InfoBatchTest, StrataHaveTheirOwnMeansAndKeepAtLeastOne) {
  // Stratum 0 is easier throughout: by the global mean all of it would be low.
  const Scores scores({1, 2, 3, 4, 10, 20, 30, 40, 7});
  PlanInput input = Input(scores, 9, 1);
  input.spec.proportion.column = "label";
  input.spec.preference.per_stratum = true;
  input.spec.weight.target = Weight::Target::kBalanced;
  ASSERT_OK(ResolveSpec(&input.spec));
  input.strata = *StrataOf(std::vector<uint8_t>{0, 0, 0, 0, 1, 1, 1, 1, 2});
  const auto plan = Build(input);
  const Drawn drawn = DrawEpoch(*plan);
  ASSERT_EQ(drawn.indices.size(), 7);
  double weight_of_stratum[3] = {};
  for (size_t p = 0; p < 7; ++p) {
    const uint32_t i = drawn.indices[p];
    EXPECT_EQ(drawn.probabilities[p], i % 4 < 2 && i < 8 ? .5 : 1);
    weight_of_stratum[i / 4] += drawn.weights[p];
  }
  for (const double weight : weight_of_stratum) EXPECT_NEAR(weight, 3, 1e-5);
}

TEST_F(InfoBatchTest, WithoutWeightsItIsBiasedAndSaysSo) {
  const Scores scores = Mixed(100, 4);
  PlanInput input = Input(scores, 100, 1);
  input.spec.weight.target = Weight::Target::kNone;
  EXPECT_EQ(Build(input)->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(Build(input)->traits().weight, 1.0f);
}

TEST_F(InfoBatchTest, AStoredPlanIsOneBitASampleAndGivesTheSameEpoch) {
  const Scores scores = Mixed(70001, 5);
  PlanInput input = Input(scores, 70001, 4);
  const auto plan = Build(input);
  const std::string stored = plan->Serialize();
  EXPECT_LE(stored.size(), 70001 / 8 + 64);
  input.columns.scores["loss"] = {};
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, stored));
  const Drawn a = DrawEpoch(*plan);
  const Drawn b = DrawEpoch(*parsed);
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.probabilities, b.probabilities);
  EXPECT_EQ(a.weights, b.weights);
  EXPECT_EQ(parsed->Serialize(), stored);
}

TEST_F(InfoBatchTest, AnEpochThatPrunesNothingStoresNextToNothing) {
  const Scores equal(std::vector<float>(70001, 2));
  PlanInput input = Input(equal, 70001, 4);
  const std::string stored = Build(input)->Serialize();
  EXPECT_LE(stored.size(), 64);
  EXPECT_FALSE(stored.empty()) << "that nothing is low depends on the scores";
  input.columns.scores["loss"] = {};
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, stored));
  EXPECT_EQ(parsed->traits().num_positions, 70001);

  PlanInput annealing = Input(equal, 70001, 190);
  EXPECT_EQ(Build(annealing)->Serialize(), "");
  EXPECT_OK(ParsePlan(annealing, ""));
}

TEST_F(InfoBatchTest, StoredBytesThatDoNotFitAreDataLoss) {
  const Scores scores = Mixed(100, 6);
  const PlanInput input = Input(scores, 100, 4);
  const std::string stored = Build(input)->Serialize();
  const auto refused = [](const PlanInput& for_input, const std::string& bytes) {
    EXPECT_THAT(ParsePlan(for_input, bytes), StatusIs(absl::StatusCode::kDataLoss));
  };
  for (size_t k = 0; k < stored.size(); ++k) {
    refused(input, stored.substr(0, k));
    std::string flipped = stored;
    flipped[k] ^= 4;
    refused(input, flipped);
  }
  refused(input, stored + std::string(8, '\0'));
  refused(Input(scores, 101, 4), stored);
  refused(Input(scores, 99, 4), stored);
  refused(Input(scores, 100, 5), stored);
  refused(Input(scores, 100, 190), stored);  // that epoch stores nothing
}

TEST_F(InfoBatchTest, AStoredMemberPastTheLastSampleIsDataLoss) {
  SampleSet set(128);
  set.Insert(101);
  EXPECT_THAT(ParseSampleSet(SerializeSampleSet(set, 100, 4), 100, 4),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_OK(ParseSampleSet(SerializeSampleSet(set, 102, 4), 102, 4));
}

}  // namespace
}  // namespace subset::sampling
