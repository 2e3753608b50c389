// How often samples come up, with what probability and weight.

#include "sampling/score_draw.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/score_draw_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

TEST(ScoreDrawTest, SamplesComeUpAsOftenAsTheFormulaSays) {
  constexpr size_t kN = 100000;
  const std::vector<float> values = Lognormal(kN, 6);
  const Scores scores(values);
  for (const Path& path : Paths(kN)) {
    const auto draw = Build(InputOf(scores, kN, path.options));
    const Drawn drawn = DrawMany(*draw, 2000000);
    const ChiSquare chi = Pearson(CountsOf(drawn.indices, kN),
                                  Formula(Powers(values, path.options.alpha), path.options));
    EXPECT_GT(chi.df, kN / 3) << path.name;
    EXPECT_LT(chi.value, ChiSquareLimit(chi.df)) << path.name;
    EXPECT_GT(chi.value, ChiSquareFloor(chi.df)) << path.name;
  }
}

TEST(ScoreDrawTest, AUniformPreferenceDrawsUniformlyWithinItsShares) {
  constexpr size_t kN = 100000;
  for (Options options : {Paths(kN)[0].options, Paths(kN)[4].options, Paths(kN)[5].options}) {
    options.floor = 1;
    const auto draw = Build(UniformInput(kN, options));
    const ChiSquare chi = Pearson(CountsOf(DrawMany(*draw, 2000000).indices, kN),
                                  Formula(std::vector<double>(kN, 1), options));
    EXPECT_LT(chi.value, ChiSquareLimit(chi.df));
    EXPECT_GT(chi.value, ChiSquareFloor(chi.df));
    EXPECT_LT(draw->memory_bytes(), 10000) << "no index is needed";
  }
}

TEST(ScoreDrawTest, DrawsAfterUpdatesFollowTheNewScores) {
  constexpr size_t kN = 100000;
  for (Path path : Paths(kN)) {
    std::vector<float> values = Lognormal(kN, 7);
    const Scores before(values);
    const auto draw = Build(InputOf(before, kN, path.options));
    std::mt19937_64 random(8);
    std::vector<uint32_t> indices(kN);
    std::vector<float> scores(kN);
    for (size_t k = 0; k < kN; ++k) {
      indices[k] = random() % kN;
      scores[k] = values[indices[k]] = static_cast<float>(1 + random() % 8);
    }
    draw->Update(indices, scores);
    const ChiSquare chi = Pearson(CountsOf(DrawMany(*draw, 2000000).indices, kN),
                                  Formula(Powers(values, path.options.alpha), path.options));
    EXPECT_LT(chi.value, ChiSquareLimit(chi.df)) << path.name;
  }
}

TEST(ScoreDrawTest, PositionsAreIndependent) {
  // Pairs at positions (2k, 2k + 1) over 4 samples: 15 degrees of freedom.
  const Scores scores({1, 2, 3, 4});
  for (const auto& labels : {std::vector<uint16_t>{}, std::vector<uint16_t>{0, 1, 0, 1}}) {
    Options options;
    options.labels = labels;
    const auto draw = Build(InputOf(scores, 4, options));
    const Drawn drawn = DrawMany(*draw, 200000);
    std::vector<uint64_t> pairs(16);
    for (size_t k = 0; k < drawn.indices.size(); k += 2) {
      ++pairs[drawn.indices[k] * 4 + drawn.indices[k + 1]];
    }
    const std::vector<double> q = Formula({1, 2, 3, 4}, options);
    std::vector<double> joint;
    for (const double a : q) {
      for (const double b : q) joint.push_back(a * b);
    }
    const ChiSquare chi = Pearson(pairs, joint);
    EXPECT_LT(chi.value, ChiSquareLimit(15));
  }
}

TEST(ScoreDrawTest, TheFloorIsACoinOfExactlyLambda) {
  // A zero score is reached by the floor only: P = lambda / 2. Five standard errors, below 1e-6.
  const Scores scores({0, 1});
  for (const double floor : {.1, .003, .75}) {
    Options options;
    options.floor = floor;
    const auto draw = Build(InputOf(scores, 2, options));
    constexpr double kDraws = 4000000;
    const auto counts = CountsOf(DrawMany(*draw, static_cast<size_t>(kDraws)).indices, 2);
    const double p = floor / 2;
    EXPECT_NEAR(static_cast<double>(counts[0]) / kDraws, p, 5 * std::sqrt(p * (1 - p) / kDraws));
  }
}

TEST(ScoreDrawTest, ProbabilitiesSumToOneAndWeightsGiveTheTarget) {
  constexpr size_t kN = 300;
  const std::vector<float> values = Lognormal(kN, 9);
  const Scores scores(values);
  for (Path path : Paths(kN)) {
    for (const auto target : {Weight::Target::kNatural, Weight::Target::kBalanced}) {
      if (target == Weight::Target::kBalanced && path.options.labels.empty()) continue;
      path.options.target = target;
      const auto draw = Build(InputOf(scores, kN, path.options));
      EXPECT_EQ(draw->traits().unbiased_over, UnbiasedOver::kBatch);
      const Reported reported = ReportedBy(*draw, kN, 300000);
      const std::vector<double> formula = Formula(Powers(values, path.options.alpha), path.options);
      std::vector<double> count(5);
      for (const uint16_t g : path.options.labels) ++count[g];
      double sum = 0;
      double squares = 0;
      double mean = 0;
      double exact = 0;
      for (size_t i = 0; i < kN; ++i) {
        ASSERT_GT(reported.q[i], 0) << "sample " << i << " never came up";
        sum += reported.q[i];
        squares += reported.q[i] * reported.q[i];
        EXPECT_NEAR(reported.q[i], formula[i], formula[i] / 4096) << path.name;
        const double r =
            target == Weight::Target::kNatural ? 1. / kN : 1. / (5 * count[path.options.labels[i]]);
        const double f = std::sin(static_cast<double>(i)) + 2;
        const double w = r / reported.q[i];
        EXPECT_FLOAT_EQ(reported.w[i], static_cast<float>(w));
        mean += reported.q[i] * w * f;
        exact += r * f;
      }
      EXPECT_NEAR(sum, 1, 1e-9) << path.name;
      EXPECT_NEAR(mean, exact, 1e-9 * exact);
      EXPECT_NEAR(draw->traits().effective_sample_ratio, 1 / (kN * squares), 1e-9);
    }
  }
}

TEST(ScoreDrawTest, ProportionalPrioritiesMatchThePublishedExample) {
  const Scores scores({1, 2, 3, 4});
  Options options;
  options.alpha = .6;
  options.floor = 0;
  options.beta = .4;
  const auto draw = Build(InputOf(scores, 4, options));
  const Reported reported = ReportedBy(*draw, 4, 1000);
  const double q[] = {.148230, .224674, .286555, .340542};
  const double w[] = {1, .846745, .768229, .716978};  // divided by the largest
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(reported.q[i], q[i], q[i] / 4096);
    EXPECT_NEAR(reported.w[i] / reported.w[0], w[i], 3e-4);
    EXPECT_FLOAT_EQ(reported.w[i], static_cast<float>(std::pow(.25 / reported.q[i], .4)));
  }
  EXPECT_EQ(draw->traits().unbiased_over, UnbiasedOver::kNothing) << "beta < 1";
}

TEST(ScoreDrawTest, AllFloorIsUniformWithWeightOne) {
  Options options;
  options.floor = 1;
  const Scores scores(Lognormal(1000, 10));
  const auto draw = Build(InputOf(scores, 1000, options));
  EXPECT_EQ(draw->traits().probability, .001);
  EXPECT_EQ(draw->traits().weight, 1.0f);
  EXPECT_NEAR(draw->traits().effective_sample_ratio, 1, 1e-12);
  EXPECT_FALSE(draw->traits().fell_back_to_uniform);
  for (const float w : DrawMany(*draw, 10000).weights) EXPECT_EQ(w, 1);
}

TEST(ScoreDrawTest, NoWeightIsAboveTheInverseOfTheFloor) {
  std::vector<float> values = Lognormal(1000, 11);
  for (size_t i = 0; i < 500; ++i) values[i] = 0;
  const Scores scores(values);
  const auto draw = Build(InputOf(scores, 1000));
  const Drawn drawn = DrawMany(*draw, 100000);
  const float most = *std::max_element(drawn.weights.begin(), drawn.weights.end());
  EXPECT_LE(most, 10.0f);
  EXPECT_GT(most, 9.99f) << "zero scores have weight 1 / lambda";
}

TEST(ScoreDrawTest, WithoutWeightsOnlyAUniformDrawIsUnbiased) {
  Options options;
  options.target = Weight::Target::kNone;
  const Scores scores({1, 2, 3});
  const auto biased = Build(InputOf(scores, 3, options));
  EXPECT_EQ(biased->traits().weight, 1.0f);
  EXPECT_EQ(biased->traits().unbiased_over, UnbiasedOver::kNothing);
  for (const float w : DrawMany(*biased, 100).weights) EXPECT_EQ(w, 1);
  EXPECT_EQ(Build(UniformInput(3, options))->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(ScoreDrawTest, SamplesThatCannotComeUpAreBiasUnlessTheFloorReachesThem) {
  Options options;
  const Scores scores({0, 1, 2, 3});
  EXPECT_EQ(Build(InputOf(scores, 4, options))->traits().unbiased_over, UnbiasedOver::kBatch);
  EXPECT_EQ(Build(InputOf(scores, 4, options))->traits().distinct_samples, 4);
  options.floor = 0;
  const auto draw = Build(InputOf(scores, 4, options));
  EXPECT_EQ(draw->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(draw->traits().distinct_samples, 3);
  for (const uint32_t i : DrawMany(*draw, 10000).indices) EXPECT_NE(i, 0);
}

}  // namespace
}  // namespace subset::sampling
