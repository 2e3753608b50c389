// Draws over unscored, zero and extreme scores.

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/score_draw_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

TEST(ScoreDrawTest, UnscoredSamplesTakeTheScoreOfTheirPolicy) {
  const Scores scores({1, kNanF, 2, 6, kNanF});  // mean 3, maximum 6
  const auto expect = [&](Guard::Unscored unscored, double prior, double value) {
    Options options;
    options.floor = 0;
    options.unscored = unscored;
    options.prior = prior;
    const auto draw = Build(InputOf(scores, 5, options));
    const Reported reported = ReportedBy(*draw, 5, 2000);
    const double total = 9 + 2 * value;
    EXPECT_NEAR(reported.q[1], value / total, value / total / 2048);
    EXPECT_EQ(reported.q[1], reported.q[4]);
    EXPECT_NEAR(reported.q[3], 6 / total, 6 / total / 2048);
  };
  expect(Guard::Unscored::kMean, 0, 3);
  expect(Guard::Unscored::kMaximum, 0, 6);
  expect(Guard::Unscored::kPrior, 100, 100);
  expect(Guard::Unscored::kPrior, 0, 0);
}

TEST(ScoreDrawTest, WhereNothingIsScoredAllAreAlikeAndItIsSaid) {
  for (const auto policy :
       {Guard::Unscored::kMean, Guard::Unscored::kMaximum, Guard::Unscored::kPrior}) {
    Options options;
    options.unscored = policy;
    const auto draw = Build(InputOf(Scores({}), 100, options));
    EXPECT_TRUE(draw->traits().fell_back_to_uniform);
    EXPECT_NEAR(draw->traits().effective_sample_ratio, 1, 1e-9);
    for (const double q : DrawMany(*draw, 1000).probabilities) EXPECT_NEAR(q, .01, 1e-15);
  }
}

TEST(ScoreDrawTest, ARunThatStartsWithoutScoresCountsTheUnscoredAsOne) {
  Options options;
  options.floor = 0;
  const auto draw = Build(InputOf(Scores({}), 4, options));
  draw->Update({3, 1}, {2, .5});
  EXPECT_FALSE(draw->traits().fell_back_to_uniform);
  const Reported reported = ReportedBy(*draw, 4, 1000);
  const double expected[] = {1 / 4.5, .5 / 4.5, 1 / 4.5, 2 / 4.5};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(reported.q[i], expected[i], 1e-9);
}

TEST(ScoreDrawTest, AnyPriorIsOnTheScale) {
  for (const double prior : {1e-310, 1e-30, 1., 1e300}) {
    Options options;
    options.unscored = Guard::Unscored::kPrior;
    options.prior = prior;
    const auto draw = Build(InputOf(Scores({0, kNanF, kNanF}), 3, options));
    EXPECT_EQ(draw->traits().clamped_leaves, 0) << prior;
    EXPECT_EQ(draw->traits().distinct_samples, 3);
  }
}

TEST(ScoreDrawTest, ZeroMassFallsBackToUniformAndIsSaidAndEndsWithTheFirstPositiveScore) {
  for (const double floor : {0., .1}) {
    Options options;
    options.floor = floor;
    const auto draw = Build(InputOf(Scores(std::vector<float>(50, 0)), 50, options));
    EXPECT_TRUE(draw->traits().fell_back_to_uniform);
    EXPECT_EQ(draw->traits().distinct_samples, 50);
    EXPECT_EQ(draw->traits().unbiased_over, UnbiasedOver::kBatch);
    EXPECT_FALSE(draw->traits().weight.has_value()) << "scores may change it";
    const Drawn drawn = DrawMany(*draw, 1000);
    for (const double q : drawn.probabilities) EXPECT_NEAR(q, .02, 1e-15);
    for (const float w : drawn.weights) EXPECT_FLOAT_EQ(w, 1);

    draw->Update({7}, {2.5f});
    EXPECT_FALSE(draw->traits().fell_back_to_uniform);
    EXPECT_EQ(draw->traits().distinct_samples, floor > 0 ? 50 : 1);
    if (floor == 0) {
      for (const uint32_t i : DrawMany(*draw, 1000).indices) EXPECT_EQ(i, 7);
    }
  }
}

TEST(ScoreDrawTest, AStratumWithoutMassIsUniformInsideItsShare) {
  Options options;
  options.floor = 0;
  options.labels = {0, 1, 0, 1, 1};
  options.proportion = Proportion::Kind::kEqual;
  const auto draw = Build(InputOf(Scores({0, 1, 0, 2, 1}), 5, options));
  EXPECT_TRUE(draw->traits().fell_back_to_uniform);
  const Reported reported = ReportedBy(*draw, 5, 2000);
  const double expected[] = {.25, .125, .25, .25, .125};
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(reported.q[i], expected[i], 1e-4);
  const ChiSquare chi =
      Pearson(CountsOf(DrawMany(*draw, 100000).indices, 5), {.25, .125, .25, .25, .125});
  EXPECT_LT(chi.value, 34);  // 4 degrees of freedom: P(> 34) < 1e-6
}

void ExpectFinite(const ScoreDraw& draw, uint64_t n) {
  const Drawn drawn = DrawMany(draw, 10000);
  for (size_t k = 0; k < drawn.indices.size(); ++k) {
    ASSERT_LT(drawn.indices[k], n);
    ASSERT_TRUE(drawn.probabilities[k] > 0 && drawn.probabilities[k] <= 1 + 1e-12);
    ASSERT_TRUE(std::isfinite(drawn.weights[k]) && drawn.weights[k] > 0);
  }
  EXPECT_TRUE(draw.traits().effective_sample_ratio > 0 &&
              draw.traits().effective_sample_ratio <= 1 + 1e-12);
}

TEST(ScoreDrawTest, ExtremeScoresGiveFiniteAnswers) {
  std::vector<float> dominated(1000, 1);
  dominated[17] = 1e30f;
  std::vector<float> spread = {FLT_MAX, 1e-45f, FLT_MIN, 1, 0, kNanF, 1e30f};
  for (const double alpha : {1e-6, .6, 1., 2.5, 16.}) {
    Options options;
    options.alpha = alpha;
    for (const auto& values :
         {dominated, spread, std::vector<float>(100, FLT_MAX), std::vector<float>(100, 1e-45f),
          std::vector<float>{3}, std::vector<float>{0}, std::vector<float>{kNanF}}) {
      const auto draw = Build(InputOf(Scores(values), values.size(), options));
      ExpectFinite(*draw, values.size());
      draw->Update({0, 0}, {1e-45f, FLT_MAX});
      ExpectFinite(*draw, values.size());
    }
    options.unscored = Guard::Unscored::kPrior;
    for (const double prior : {DBL_MAX, 1e-310, 0.}) {
      options.prior = prior;
      ExpectFinite(*Build(InputOf(Scores({1, kNanF, 2}), 3, options)), 3);
    }
  }
}

TEST(ScoreDrawTest, OneDominatingScoreTakesAllButTheFloorAndHidesNobody) {
  std::vector<float> values(1000, 1);
  values[17] = 1e30f;
  Options options;
  options.floor = 0;
  const auto draw = Build(InputOf(Scores(values), 1000, options));
  EXPECT_EQ(draw->traits().clamped_leaves, 999) << "the others are below the range of leaves";
  EXPECT_EQ(draw->traits().distinct_samples, 1000) << "a positive score never becomes 0";
  const Drawn drawn = DrawMany(*draw, 10000);
  EXPECT_GT(CountsOf(drawn.indices, 1000)[17], 9950);
  EXPECT_NEAR(draw->traits().effective_sample_ratio, .001, 1e-4);
}

// One score of n among n - 1 of 1: it has half of the mass.
std::vector<float> HalfInOne(size_t n) {
  std::vector<float> values(n, 1);
  values[17] = static_cast<float>(n);
  return values;
}

TEST(ScoreDrawTest, AScoreHalfAMillionTimesTheMeanHasItsWholeShare) {
  constexpr size_t kN = size_t{1} << 20;
  Options options;
  options.floor = 0;
  const auto draw = Build(InputOf(Scores(HalfInOne(kN)), kN, options));
  EXPECT_EQ(draw->traits().clamped_leaves, 0);
  std::vector<double> q(kN);
  draw->Probabilities(absl::MakeSpan(q));
  EXPECT_NEAR(q[17], .5, 1e-3);
}

TEST(ScoreDrawTest, WhatIsClampedIsDrawnWithTheProbabilityThatIsReported) {
  constexpr size_t kN = size_t{1} << 22;
  Options options;
  options.floor = 0;
  const auto draw = Build(InputOf(Scores(HalfInOne(kN)), kN, options));
  EXPECT_EQ(draw->traits().clamped_leaves, 1);
  std::vector<double> q(kN);
  draw->Probabilities(absl::MakeSpan(q));
  EXPECT_NEAR(std::accumulate(q.begin(), q.end(), 0.0), 1, 1e-9);
  EXPECT_LT(q[17], .4) << "it is cut off";
  const Drawn drawn = DrawMany(*draw, 100000);
  double count = 0;
  for (size_t k = 0; k < drawn.indices.size(); ++k) {
    ASSERT_NEAR(drawn.probabilities[k], q[drawn.indices[k]], 1e-15);
    ASSERT_NEAR(drawn.weights[k] * drawn.probabilities[k] * kN, 1, 1e-6);
    count += drawn.indices[k] == 17;
  }
  // 5 standard deviations: a false alarm has a probability below 1e-6.
  EXPECT_NEAR(count / 100000, q[17], 5 * std::sqrt(q[17] * (1 - q[17]) / 100000));
}

TEST(ScoreDrawTest, EqualScoresOfAnySizeAreExactlyUniform) {
  for (const float value : {1e-45f, .37f, FLT_MAX}) {
    const auto draw = Build(InputOf(Scores(std::vector<float>(77, value)), 77));
    EXPECT_EQ(draw->traits().clamped_leaves, 0);
    EXPECT_NEAR(draw->traits().effective_sample_ratio, 1, 1e-12);
    for (const double q : DrawMany(*draw, 100).probabilities) EXPECT_NEAR(q, 1. / 77, 1e-15);
  }
}

}  // namespace
}  // namespace subset::sampling
