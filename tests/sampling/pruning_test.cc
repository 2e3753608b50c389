#include "sampling/pruning.h"

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/exact_mean.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

ExactMean MeanOf(const std::vector<float>& values) {
  ExactMean mean;
  mean.Add(values);
  return mean;
}

TEST(ExactMeanTest, EqualValuesAreNeverBelowTheirMean) {
  for (const float value : {3.0f, 0.1f, 1e-45f, FLT_MAX, 2.302585f, 0.0f, -0.7f}) {
    for (const size_t n : {1, 3, 60000}) {
      EXPECT_EQ(MeanOf(std::vector<float>(n, value)).LeastNotBelow(), value);
    }
  }
}

TEST(ExactMeanTest, AgreesWithIntegerArithmetic) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 2000; ++round) {
    const int64_t n = 1 + random() % 20;
    const int64_t span = int64_t{1} << (1 + random() % 20);
    std::vector<int64_t> wholes;
    ExactMean mean;
    for (int64_t k = 0; k < n; ++k) {
      wholes.push_back(static_cast<int64_t>(random() % (2 * span)) - span / 2);
      const float value = static_cast<float>(wholes.back()) / 1024;
      mean.Add({&value, 1});
    }
    const int64_t sum = std::accumulate(wholes.begin(), wholes.end(), int64_t{0});
    const float threshold = mean.LeastNotBelow();
    for (const int64_t whole : wholes) {
      EXPECT_EQ(static_cast<float>(whole) / 1024 < threshold, whole * n < sum);
    }
  }
}

TEST(ExactMeanTest, NeitherHugeNorTinyValuesAreLost) {
  // The mean of {max, max, denormal} is above 2/3 max, that of {max, -max, denormal} is positive.
  EXPECT_GT(MeanOf({FLT_MAX, FLT_MAX, 1e-45f}).LeastNotBelow(), FLT_MAX / 3 * 1.99f);
  EXPECT_EQ(MeanOf({FLT_MAX, -FLT_MAX, 1e-45f}).LeastNotBelow(), 1e-45f);
  EXPECT_EQ(MeanOf({FLT_MAX, -FLT_MAX, -1e-45f}).LeastNotBelow(), 0);
  EXPECT_EQ(MeanOf({-FLT_MAX, -FLT_MAX}).LeastNotBelow(), -FLT_MAX);
  // One unit in the last place: the mean lies between the two floats.
  const float next = std::nextafterf(3.0f, 4);
  EXPECT_EQ(MeanOf({3.0f, 3.0f, next}).LeastNotBelow(), next);
}

Preference InfoBatch(double delta, uint32_t total_epochs, double ratio = .5) {
  Preference preference;
  preference.kind = Preference::Kind::kBelowMeanPruning;
  preference.delta = delta;
  preference.total_epochs = total_epochs;
  preference.ratio = ratio;
  return preference;
}

TEST(PruningTest, TwoHundredEpochsPrune175) {
  uint64_t pruned = 0;
  for (uint64_t epoch = 0; epoch < 200; ++epoch) pruned += Prunes(InfoBatch(.875, 200), epoch);
  EXPECT_EQ(pruned, 175);
  EXPECT_TRUE(Prunes(InfoBatch(.875, 200), 174));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 200), 175));
}

TEST(PruningTest, AFractionOfEpochsThatIsNotWholeStillEndsPruning) {
  EXPECT_TRUE(Prunes(InfoBatch(.875, 10), 7));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 10), 8));
  EXPECT_FALSE(Prunes(InfoBatch(.875, 10), 9));
}

TEST(PruningTest, KeepsAtLeastOneAndRoundsAsDecimals) {
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .5), 1), 1);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .5), 7), 3);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .9), 10), 1);
  EXPECT_EQ(KeptCount(InfoBatch(.875, 10, .71), 100), 29);
}

TEST(PruningTest, OnlyScoredSamplesBelowTheMeanOfTheScoredAreLow) {
  const Scores scores({1, NAN, 2, 3, NAN, 10});  // mean 4
  const SampleSet low =
      BelowMean(PreferredScores(scores.view(), {6, nullptr}), {6, nullptr}, false);
  const std::vector<bool> expected = {true, false, true, true, false, false};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(low.Contains(i), expected[i]) << i;
}

TEST(PruningTest, MeansCanBeOfEachStratum) {
  const Scores scores({1, 2, 30, 10});
  ASSERT_OK_AND_ASSIGN(const auto strata, StrataOf(std::vector<uint8_t>{0, 0, 1, 1}));
  const SampleSet low = BelowMean(PreferredScores(scores.view(), {4, strata}), {4, strata}, true);
  const std::vector<bool> expected = {true, false, false, true};
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(low.Contains(i), expected[i]) << i;
}

TEST(PruningTest, NothingIsLowWhereNothingIsScored) {
  const SampleSet none =
      BelowMean(PreferredScores(ScoreView{}, {100, nullptr}), {100, nullptr}, false);
  const std::vector<const float*> absent(1);
  const SampleSet null_chunk =
      BelowMean(PreferredScores(ScoreView{absent}, {100, nullptr}), {100, nullptr}, false);
  for (size_t i = 0; i < 100; ++i) {
    EXPECT_FALSE(none.Contains(i));
    EXPECT_FALSE(null_chunk.Contains(i));
  }
}

}  // namespace
}  // namespace subset::sampling
