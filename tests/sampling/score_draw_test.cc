// Draws with replacement: frozen plans and live ones.

#include "sampling/score_draw.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/leaf.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();

struct Options {
  double alpha = 1;
  double floor = .1;
  double beta = 1;
  Guard::Unscored unscored = Guard::Unscored::kDefault;
  double prior = 0;
  Weight::Target target = Weight::Target::kDefault;
  Proportion::Kind proportion = Proportion::Kind::kNatural;
  std::vector<uint16_t> labels;  // empty: one stratum
};

PlanInput InputOf(const Scores& scores, uint64_t n, const Options& options = {}) {
  PlanInput input;
  SamplerSpec& spec = input.spec;
  spec.preference.kind = Preference::Kind::kScorePower;
  spec.preference.alpha = options.alpha;
  spec.guard = {options.floor, options.unscored, options.prior};
  spec.weight = {options.target, options.beta};
  spec.proportion.kind = options.proportion;
  if (!options.labels.empty()) {
    spec.proportion.column = "label";
    input.strata = StrataOf(options.labels).value();
  }
  EXPECT_OK(ResolveSpec(&spec));
  input.num_samples = n;
  input.scores = scores.view();
  input.key = {3, 1, 0};
  return input;
}

PlanInput UniformInput(uint64_t n, const Options& options = {}) {
  PlanInput input = InputOf(Scores({}), n, options);
  input.spec = SamplerSpec{};
  input.spec.proportion = {options.proportion, options.labels.empty() ? "" : "label"};
  input.spec.draw.kind = Draw::Kind::kWithReplacement;
  input.spec.weight = {options.target, options.beta};
  EXPECT_OK(ResolveSpec(&input.spec));
  return input;
}

std::unique_ptr<ScoreDraw> Build(const PlanInput& input) {
  auto draw = ScoreDraw::Build(input);
  EXPECT_OK(draw);
  return draw.ok() ? *std::move(draw) : nullptr;
}

Drawn DrawMany(const ScoreDraw& draw, size_t count, uint64_t seed = 3) {
  Drawn drawn(count);
  draw.Draw({seed, 1, 0}, 0, absl::MakeSpan(drawn.indices), absl::MakeSpan(drawn.probabilities),
            absl::MakeSpan(drawn.weights));
  return drawn;
}

// q_i and w_i as the draws report them; 0 for samples that never came up.
struct Reported {
  std::vector<double> q;
  std::vector<float> w;
};
Reported ReportedBy(const ScoreDraw& draw, uint64_t n, size_t draws) {
  const Drawn drawn = DrawMany(draw, draws);
  Reported reported{std::vector<double>(n), std::vector<float>(n)};
  for (size_t k = 0; k < draws; ++k) {
    const uint32_t i = drawn.indices.at(k);
    EXPECT_TRUE(reported.q.at(i) == 0 || reported.q[i] == drawn.probabilities[k]);
    reported.q[i] = drawn.probabilities[k];
    reported.w[i] = drawn.weights[k];
  }
  return reported;
}

// q by the formula, from real-valued preferences.
std::vector<double> Formula(const std::vector<double>& v, const Options& options) {
  const size_t n = v.size();
  std::vector<uint16_t> labels = options.labels;
  if (labels.empty()) labels.assign(n, 0);
  const size_t strata = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<double> total(strata), count(strata);
  for (size_t i = 0; i < n; ++i) {
    total[labels[i]] += v[i];
    count[labels[i]] += 1;
  }
  std::vector<double> q(n);
  for (size_t i = 0; i < n; ++i) {
    const size_t g = labels[i];
    const double p = options.proportion == Proportion::Kind::kEqual
                         ? 1. / static_cast<double>(strata)
                         : count[g] / static_cast<double>(n);
    const double h = total[g] > 0 ? v[i] / total[g] : 1 / count[g];
    q[i] = p * ((1 - options.floor) * h + options.floor / count[g]);
  }
  return q;
}

std::vector<float> Lognormal(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<float> lognormal(0, 1);
  std::vector<float> values(n);
  for (float& value : values) value = lognormal(random);
  return values;
}

std::vector<double> Powers(const std::vector<float>& scores, double alpha) {
  std::vector<double> v;
  for (const float score : scores) v.push_back(std::pow(score, alpha));
  return v;
}

std::vector<uint16_t> Labels(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint16_t> labels(n);
  for (uint16_t& label : labels)
    label = static_cast<uint16_t>(std::min<uint64_t>(random() % 16, 4));
  return labels;
}

// --- The distribution, on every path -----------------------------------------------------------

struct Path {
  const char* name;
  Options options;
};

std::vector<Path> Paths(size_t n) {
  std::vector<Path> paths;
  paths.push_back({"one stratum", {}});
  paths.push_back({"no floor", {}});
  paths.back().options.floor = 0;
  paths.push_back({"alpha", {}});
  paths.back().options.alpha = .6;
  paths.push_back({"all floor", {}});
  paths.back().options.floor = 1;
  paths.push_back({"natural strata", {}});
  paths.back().options.labels = Labels(n, 4);
  paths.push_back({"equal strata", {}});
  paths.back().options.labels = Labels(n, 5);
  paths.back().options.proportion = Proportion::Kind::kEqual;
  return paths;
}

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

// --- Probabilities and weights -----------------------------------------------------------------

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

// --- Unscored, zero and extreme scores ---------------------------------------------------------

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

TEST(ScoreDrawTest, EqualScoresOfAnySizeAreExactlyUniform) {
  for (const float value : {1e-45f, .37f, FLT_MAX}) {
    const auto draw = Build(InputOf(Scores(std::vector<float>(77, value)), 77));
    EXPECT_EQ(draw->traits().clamped_leaves, 0);
    EXPECT_NEAR(draw->traits().effective_sample_ratio, 1, 1e-12);
    for (const double q : DrawMany(*draw, 100).probabilities) EXPECT_NEAR(q, 1. / 77, 1e-15);
  }
}

// --- Update, positions, storage ----------------------------------------------------------------

TEST(ScoreDrawTest, TheLastScoreOfARepeatedIndexStays) {
  const Scores scores({1, 1, 1, 1});
  for (const auto& labels : {std::vector<uint16_t>{}, std::vector<uint16_t>{1, 0, 1, 0}}) {
    Options options;
    options.labels = labels;
    const PlanInput input = InputOf(scores, 4, options);
    const auto repeated = Build(input);
    repeated->Update({2, 0, 2, 2}, {8, 5, 1, 3});
    const auto once = Build(input);
    once->Update({0, 2}, {5, 3});
    EXPECT_EQ(repeated->Serialize(), once->Serialize());
    EXPECT_EQ(repeated->traits().effective_sample_ratio, once->traits().effective_sample_ratio);
  }
}

TEST(ScoreDrawTest, AnyHistoryOfUpdatesEqualsParsingItsLeaves) {
  constexpr size_t kN = 500;
  for (const Path& path : Paths(kN)) {
    const Scores scores(Lognormal(kN, 12));
    const PlanInput input = InputOf(scores, kN, path.options);
    const auto draw = Build(input);
    std::mt19937_64 random(13);
    for (int round = 0; round < 50; ++round) {
      std::vector<uint32_t> indices(1 + random() % 40);
      std::vector<float> values(indices.size());
      for (size_t k = 0; k < indices.size(); ++k) {
        indices[k] = random() % kN;
        values[k] = random() % 5 == 0 ? 0 : static_cast<float>(random() % 1000) / 100;
      }
      draw->Update(indices, values);
    }
    ASSERT_OK_AND_ASSIGN(const auto parsed, ScoreDraw::Parse(input, draw->Serialize()));
    const PlanTraits a = draw->traits();
    const PlanTraits b = parsed->traits();
    EXPECT_EQ(a.effective_sample_ratio, b.effective_sample_ratio) << path.name;
    EXPECT_EQ(a.distinct_samples, b.distinct_samples);
    EXPECT_EQ(a.clamped_leaves, b.clamped_leaves);
    EXPECT_EQ(a.fell_back_to_uniform, b.fell_back_to_uniform);
    const Drawn x = DrawMany(*draw, 5000);
    const Drawn y = DrawMany(*parsed, 5000);
    EXPECT_EQ(x.indices, y.indices) << path.name;
    EXPECT_EQ(x.probabilities, y.probabilities);
    EXPECT_EQ(x.weights, y.weights);
  }
}

TEST(ScoreDrawTest, ScoresOutsideTheScaleAreClampedAndCounted) {
  const auto draw = Build(InputOf(Scores(std::vector<float>(100, 1)), 100));
  EXPECT_EQ(draw->traits().clamped_leaves, 0);
  draw->Update({1, 2, 3}, {255, 1e20f, 1e-20f});
  EXPECT_EQ(draw->traits().clamped_leaves, 2);
}

TEST(ScoreDrawTest, PositionsMayBeCutIntoCallsAnywhere) {
  constexpr size_t kN = 5000;
  const Scores scores(Lognormal(kN, 14));
  for (const Path& path : Paths(kN)) {
    const auto draw = Build(InputOf(scores, kN, path.options));
    const Drawn whole = DrawMany(*draw, kN);
    Drawn cut(kN);
    std::mt19937_64 random(15);
    for (size_t p = 0; p < kN;) {
      const size_t count = std::min<size_t>(1 + random() % 1500, kN - p);
      draw->Draw({3, 1, 0}, p, absl::MakeSpan(cut.indices).subspan(p, count),
                 absl::MakeSpan(cut.probabilities).subspan(p, count),
                 absl::MakeSpan(cut.weights).subspan(p, count));
      p += count;
    }
    EXPECT_EQ(cut.indices, whole.indices) << path.name;
    EXPECT_EQ(cut.probabilities, whole.probabilities);
    EXPECT_EQ(cut.weights, whole.weights);
    Drawn bare(kN);
    draw->Draw({3, 1, 0}, 0, absl::MakeSpan(bare.indices), {}, absl::MakeSpan(bare.weights));
    EXPECT_EQ(bare.indices, whole.indices);
    EXPECT_EQ(bare.weights, whole.weights);
  }
}

TEST(ScoreDrawTest, SeedVersionAndEpochEachGiveOtherDraws) {
  const auto draw = Build(InputOf(Scores(Lognormal(1000, 16)), 1000));
  std::vector<std::vector<uint32_t>> all;
  for (const StreamKey& key :
       {StreamKey{1, 1, 0}, StreamKey{2, 1, 0}, StreamKey{1, 2, 0}, StreamKey{1, 1, 1}}) {
    all.emplace_back(200);
    draw->Draw(key, 0, absl::MakeSpan(all.back()), {}, {});
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(ScoreDrawTest, TheMemoryOfTheIndexIsBelowThePromise) {
  const auto draw = Build(InputOf(Scores(Lognormal(1000000, 17)), 1000000));
  EXPECT_LE(static_cast<double>(draw->memory_bytes()) / 1000000, 2.4);
  EXPECT_LE(draw->Serialize().size(), 2 * 1000000 + 100);
}

TEST(WeightedPlanTest, IsTheDrawOfItsEpochAndComesBackFromItsBytes) {
  const Scores scores(Lognormal(3000, 18));
  PlanInput input = InputOf(scores, 3000);
  input.spec.draw.fraction = .29;
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  EXPECT_EQ(plan->traits().num_positions, 870);
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(drawn.indices, DrawMany(*Build(input), 870).indices);
  const std::string stored = plan->Serialize();
  input.scores = {};
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, stored));
  const Drawn again = DrawEpoch(*parsed);
  EXPECT_EQ(again.indices, drawn.indices);
  EXPECT_EQ(again.probabilities, drawn.probabilities);
  EXPECT_EQ(again.weights, drawn.weights);
}

TEST(WeightedPlanTest, AUniformDrawStoresNothing) {
  const PlanInput input = UniformInput(1000);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  EXPECT_EQ(plan->Serialize(), "");
  EXPECT_EQ(plan->traits().probability, .001);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, ""));
  EXPECT_EQ(DrawEpoch(*parsed).indices, DrawEpoch(*plan).indices);
}

TEST(WeightedPlanTest, StoredBytesThatDoNotFitAreDataLoss) {
  const Scores scores(Lognormal(60, 19));
  const PlanInput input = InputOf(scores, 60);
  const std::string stored = Build(input)->Serialize();
  const auto refused = [](const PlanInput& for_input, const std::string& bytes) {
    EXPECT_THAT(ParsePlan(for_input, bytes), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(ScoreDraw::Parse(for_input, bytes), StatusIs(absl::StatusCode::kDataLoss));
  };
  for (size_t k = 0; k < stored.size(); ++k) {
    refused(input, stored.substr(0, k));
    std::string flipped = stored;
    flipped[k] ^= 16;
    refused(input, flipped);
  }
  refused(InputOf(scores, 59), stored);
  Options strata;
  strata.labels = Labels(60, 20);
  refused(InputOf(scores, 60, strata), stored);
  EXPECT_THAT(ParsePlan(UniformInput(60), stored), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(WeightedPlanTest, NoSlotIsNothingToDraw) {
  const Scores scores({1, 2});
  PlanInput input = InputOf(scores, 2);
  input.spec.draw.fraction = .4;
  EXPECT_THAT(BuildPlan(input), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(BuildPlan(input), ReasonIs("NOTHING_TO_DRAW"));
  EXPECT_THAT(ScoreDraw::Build(InputOf(Scores({}), 0)), ReasonIs("NOTHING_TO_DRAW"));
}

}  // namespace
}  // namespace subset::sampling
