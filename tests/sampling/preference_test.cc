// The probability of each sample inside its stratum, by the closed form of each kind.

#include "sampling/preference.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/forgetting.h"
#include "sampling/inner_draw.h"
#include "sampling/philox.h"
#include "sampling/stale.h"
#include "tests/sampling/members.h"
#include "tests/sampling/spec_case.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

void ExpectClose(const std::vector<double>& actual, const std::vector<double>& expected,
                 double tolerance = 1e-12) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance) << "sample " << i;
  }
}

std::vector<double> Normalised(std::vector<double> v) {
  const double sum = std::accumulate(v.begin(), v.end(), 0.0);
  for (double& x : v) x /= sum;
  return v;
}

TEST(PreferenceTest, UniformIsUniformInsideEachStratum) {
  Case c(Kind::kUniform, {1, 2, 3, 4});
  ExpectClose(c.Inner(), {.25, .25, .25, .25});
  c.Stratify({0, 1, 1, 1});
  ExpectClose(c.Inner(), {1, 1. / 3, 1. / 3, 1. / 3});
}

TEST(PreferenceTest, ScorePowerIsThePublishedExample) {
  Case c(Kind::kScorePower, {1, 2, 3, 4});
  c.preference().alpha = .6;
  ExpectClose(c.Inner(), {.148230, .224674, .286555, .340542}, 1e-6);
  c.Stratify({0, 1, 0, 1});
  const double p = std::pow(3, .6);
  const double q = std::pow(2, .6);
  ExpectClose(c.Inner(), {1 / (1 + p), q / (q + std::pow(4, .6)), p / (1 + p),
                          std::pow(4, .6) / (q + std::pow(4, .6))});
}

// Forgotten 0, 2 and 5 times in 20 presentations; never learned in 3; never presented.
std::vector<float> ForgettingStates() {
  return {PackForgetting({false, 0, 20, true}), PackForgetting({false, 2, 20, true}),
          PackForgetting({false, 5, 20, false}), PackForgetting({true, 0, 3, false}), kNan};
}

TEST(PreferenceTest, ForgettingIsWeighedByItsEventsNotByItsPackedState) {
  Case c(Kind::kScorePower, std::vector<float>(5, 1));
  c.Report(kForgettingColumn, ForgettingStates());
  c.preference().score = kForgettingColumn;
  c.guard().unscored = Guard::Unscored::kPrior;
  // Never learned weighs more than any number of events that 3 presentations could have.
  ExpectClose(c.Inner(), Normalised({0, 2, 5, 4, 0}));
  c.preference().alpha = 2;
  ExpectClose(c.Inner(), Normalised({0, 4, 25, 16, 0}));
  c.preference().kind = Kind::kSoftmax;
  c.preference().temperature = 2;
  ExpectClose(c.Inner(), Normalised({1, std::exp(1), std::exp(2.5), std::exp(2), 1}));
  c.preference().kind = Kind::kSelfPaced;
  c.preference().threshold = 4.5;
  ExpectClose(c.Inner(), Normalised({1, 1, 0, 1, 1}));
}

TEST(PreferenceTest, NeverLearnedIsMostForgottenToWhatOrdersSamples) {
  Case c(Kind::kRank, std::vector<float>(5, 1));
  c.Report(kForgettingColumn, ForgettingStates());
  c.preference().score = kForgettingColumn;
  c.preference().alpha = 1;
  c.guard().unscored = Guard::Unscored::kPrior;
  c.guard().unscored_prior = 1;
  ExpectClose(c.Inner(), Normalised({1. / 5, 1. / 3, 1. / 2, 1, 1. / 4}));
}

TEST(PreferenceTest, AsOftenForgottenIsATieHoweverOftenPresented) {
  Case c(Kind::kBand, std::vector<float>(1000, 1));
  std::vector<float> states(500, PackForgetting({false, 1, 10, false}));
  states.resize(1000, PackForgetting({false, 1, 100, true}));
  c.Report(kForgettingColumn, states);
  c.preference().score = kForgettingColumn;
  c.preference().keep = .5;
  const std::vector<double> inner = c.Inner();
  const auto drawn =
      std::count_if(inner.begin(), inner.begin() + 500, [](double a) { return a > 0; });
  // Hypergeometric with standard deviation 7.9; a false alarm by 6e-7.
  EXPECT_NEAR(drawn, 250, 40);
}

TEST(PreferenceTest, AZeroScoreHasNoPreferenceAndOnlyTheFloorReachesIt) {
  Case c(Kind::kScorePower, {0, 1, 3, -2});
  c.preference().alpha = 1;
  ExpectClose(c.Inner(), {0, .25, .75, 0});
  c.guard().uniform_floor = .2;
  ExpectClose(c.Inner(), {.05, .25, .65, .05});
}

TEST(PreferenceTest, ScoresOfAnySizeKeepTheirRatios) {
  for (const float scale : {1e-38f, 1.f, 1e37f}) {
    Case c(Kind::kScorePower, {1 * scale, 2 * scale, 4 * scale});
    c.preference().alpha = 16;
    const double t = 1 + 65536 + 4294967296.0;
    ExpectClose(c.Inner(), {1 / t, 65536 / t, 4294967296.0 / t}, 1e-9);
  }
  Case c(Kind::kScorePower, {1e-45f, 1e38f});
  c.preference().alpha = 16;
  EXPECT_GT(c.Inner()[0], 0) << "a positive score never becomes 0";
}

TEST(PreferenceTest, UnscoredSamplesTakeTheScoreOfTheirPolicy) {
  Case c(Kind::kScorePower, {1, kNan, 3, 8});
  c.preference().alpha = 1;
  ExpectClose(c.Inner(), Normalised({1, 4, 3, 8}));
  c.guard().unscored = Guard::Unscored::kMaximum;
  ExpectClose(c.Inner(), Normalised({1, 8, 3, 8}));
  c.guard().unscored = Guard::Unscored::kPrior;
  c.guard().unscored_prior = 2;
  ExpectClose(c.Inner(), Normalised({1, 2, 3, 8}));
}

TEST(PreferenceTest, WhereNothingIsScoredAllAreAlikeAndItIsSaid) {
  for (const Kind kind : {Kind::kScorePower, Kind::kRank, Kind::kSoftmax, Kind::kRecency}) {
    const Case c(kind, {kNan, kNan, kNan, kNan, kNan});
    ExpectClose(c.Inner(), {.2, .2, .2, .2, .2});
    EXPECT_TRUE(InnerProbabilities(c.input, c.population()).fell_back_to_uniform);
  }
  const Case zero(Kind::kScorePower, {0, 0});
  ExpectClose(zero.Inner(), {.5, .5});
  EXPECT_TRUE(InnerProbabilities(zero.input, zero.population()).fell_back_to_uniform);
}

TEST(PreferenceTest, RankIsThePowerOfThePlaceInTheStratum) {
  Case c(Kind::kRank, {.1f, 7, 3, -5});
  c.preference().alpha = .7;
  const auto h = [](double r) { return std::pow(r, -.7); };
  ExpectClose(c.Inner(), Normalised({h(3), h(1), h(2), h(4)}));
  c.Stratify({0, 0, 1, 1});
  ExpectClose(c.Inner(), {h(2) / (1 + h(2)), 1 / (1 + h(2)), 1 / (1 + h(2)), h(2) / (1 + h(2))});
}

TEST(PreferenceTest, ExponentialRanksAreLoshchilovAndHutters) {
  constexpr int kN = 1000;
  std::vector<float> scores;
  for (int i = 0; i < kN; ++i) scores.push_back(static_cast<float>((i * 7919) % kN));
  Case c(Kind::kRank, scores);
  c.preference().law = Preference::Law::kExponential;
  c.preference().pressure = 100;
  std::vector<double> p = c.Inner();
  std::sort(p.rbegin(), p.rend());
  EXPECT_NEAR(p[0], .00464099, 1e-8);
  EXPECT_NEAR(std::accumulate(p.begin(), p.begin() + kN / 10, 0.0), .372770, 1e-6);
  double squares = 0;
  for (const double x : p) squares += x * x;
  EXPECT_NEAR(1 / squares / kN, .425695, 1e-6);
  c.preference().pressure = 1;
  for (const double x : c.Inner()) EXPECT_NEAR(x, 1. / kN, 1e-15);
}

TEST(PreferenceTest, EqualScoresAreRankedByTheKeyNotByTheirIndex) {
  Case c(Kind::kRank, std::vector<float>(50, 1));
  const std::vector<double> first = c.Inner();
  EXPECT_FALSE(std::is_sorted(first.rbegin(), first.rend()));
  EXPECT_FALSE(std::is_sorted(first.begin(), first.end()));
  c.input.key.epoch = 1;
  EXPECT_NE(c.Inner(), first);
}

TEST(PreferenceTest, SoftmaxTakesScoresOfAnySign) {
  Case c(Kind::kSoftmax, {-1, 0, 2});
  c.preference().temperature = 2;
  ExpectClose(c.Inner(), Normalised({std::exp(-.5), 1, std::exp(1)}));
  c.preference().temperature = 1e-9;
  ExpectClose(c.Inner(), {0, 0, 1}, 1e-200);
  for (const double a : c.Inner()) EXPECT_GT(a, 0);
}

TEST(PreferenceTest, RecencyHalvesEachHalfLife) {
  Case c(Kind::kRecency, {});
  c.input.num_samples = 4;
  Case d(Kind::kRecency, std::vector<float>(4, kNan));
  d.preference().column = "time";
  d.preference().half_life = 10;
  d.SetColumn("time", {1.7e9, 1.7e9 + 10, 1.7e9 + 20, 1.7e9 + 30});
  ExpectClose(d.Inner(), Normalised({1, 2, 4, 8}));
  d.preference().now = 1.7e9 + 20;  // what is yet to come counts as now
  ExpectClose(d.Inner(), Normalised({1, 2, 4, 4}));
}

TEST(PreferenceTest, SelfPacedWeighsWhatIsBelowTheThreshold) {
  Case c(Kind::kSelfPaced, {.5f, 1, 2, kNan});
  c.preference().threshold = 2;
  c.guard().unscored = Guard::Unscored::kKeep;
  ExpectClose(c.Inner(), {1. / 3, 1. / 3, 0, 1. / 3});
  c.preference().soft = true;
  ExpectClose(c.Inner(), Normalised({.75, .5, 0, 1}));
}

TEST(PreferenceTest, ABandIsTheRanksAfterThoseItSkips) {
  Case c(Kind::kBand, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  c.preference().skip = .1;
  c.preference().keep = .29;  // floor(2.9)
  std::vector<double> expected(10);
  expected[7] = expected[8] = .5;
  ExpectClose(c.Inner(), expected);
  c.preference().smallest = true;
  c.preference().keep = .3;  // .3 * 10 is 3 whatever floats say
  ExpectClose(c.Inner(), {0, 1. / 3, 1. / 3, 1. / 3, 0, 0, 0, 0, 0, 0});
  c.preference().keep = .01;
  ExpectClose(c.Inner(), {0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
}

TEST(PreferenceTest, ABandPerStratumRanksInsideIt) {
  Case c(Kind::kBand, {0, 1, 2, 3, 4, 5});
  c.Stratify({0, 1, 0, 1, 0, 1});
  c.preference().keep = .34;
  c.preference().per_stratum = true;
  ExpectClose(c.Inner(), {0, 0, 0, 0, 1, 1});
}

// The obvious slow way: sort by score and tie, the largest first, or the smallest.
std::vector<uint64_t> SortedBand(const Case& c, const std::vector<float>& scores,
                                 const std::vector<uint16_t>& labels, int label) {
  const Preference& band = c.input.spec.preference;
  const PhiloxKey ties = DeriveKey(c.input.key, Purpose::kTies);
  std::vector<std::tuple<float, uint32_t, uint64_t>> ranked;
  std::vector<uint64_t> chosen;
  for (uint64_t i = 0; i < scores.size(); ++i) {
    if (band.per_stratum && labels[i] != label) continue;
    if (std::isnan(scores[i])) {
      chosen.push_back(i);
    } else {
      ranked.emplace_back(band.smallest ? -scores[i] : scores[i], Philox(ties, i)[0], i);
    }
  }
  std::sort(ranked.rbegin(), ranked.rend());
  const uint64_t n = ranked.size();
  if (n == 0) return chosen;
  const uint64_t first = std::min(FloorFraction(band.skip, n), n - 1);
  const uint64_t keep = std::max<uint64_t>(1, FloorFraction(band.keep, n));
  for (uint64_t rank = first; rank < std::min(n, first + keep); ++rank) {
    chosen.push_back(std::get<2>(ranked[rank]));
  }
  return chosen;
}

TEST(PreferenceTest, BandsAgreeWithSortingForEveryTie) {
  std::mt19937_64 random(8);
  const float odd[] = {kNan, 0.0f, -0.0f, std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (int trial = 0; trial < 300; ++trial) {
    const uint64_t n = trial == 0 ? 70001 : 1 + random() % 300;
    const int distinct = 1 + random() % 20;
    std::vector<float> scores;
    std::vector<uint16_t> labels;
    for (uint64_t i = 0; i < n; ++i) {
      scores.push_back(static_cast<float>(random() % distinct) - 3);
      if (trial % 3 == 0 && random() % 4 == 0) scores.back() = odd[random() % 5];
      labels.push_back(static_cast<uint16_t>(random() % 3));
    }
    Case c(Kind::kBand, scores);
    c.guard().unscored = Guard::Unscored::kKeep;
    c.input.key.seed = trial;
    c.preference().skip = static_cast<double>(random() % 60) / 100;
    c.preference().keep = static_cast<double>(1 + random() % 80) / 100;
    c.preference().smallest = random() % 2 == 0;
    c.preference().per_stratum = random() % 2 == 0;
    if (c.preference().per_stratum || random() % 2 == 0) c.Stratify(labels);
    SampleSet expected(n);
    for (int label = 0; label < (c.preference().per_stratum ? 3 : 1); ++label) {
      for (const uint64_t i : SortedBand(c, scores, labels, label)) expected.Insert(i);
    }
    ASSERT_TRUE(ChosenSamples(c.input, c.population()).words() == expected.words())
        << "trial " << trial;
  }
}

TEST(PreferenceTest, SelectiveBackpropKeepsByPercentile) {
  Case c(Kind::kKeepProbability, {3, 1, 1, kNan, 2});
  c.guard().unscored = Guard::Unscored::kKeep;
  c.preference().beta = 2;
  c.preference().least = .1;
  const auto keep = KeepProbabilities(c.input, c.population());
  ExpectClose(keep, {.765625, .1, .1, 1, .390625});  // (3.5/4)^2, (1/4)^2 < .1, 1, (2.5/4)^2
}

TEST(PreferenceTest, SelectiveBackpropKeepsTheShareOfItsIntegral) {
  std::vector<float> scores;
  for (int i = 0; i < 1000; ++i) scores.push_back(static_cast<float>(i * 7919 % 1000));
  Case c(Kind::kKeepProbability, scores);
  const auto kept = [&](double beta, double least) {
    c.preference().beta = beta;
    c.preference().least = least;
    const auto keep = KeepProbabilities(c.input, c.population());
    return std::accumulate(keep.begin(), keep.end(), 0.0) / 1000;
  };
  EXPECT_NEAR(kept(1, 1e-9), 1. / 2, 1e-6);
  EXPECT_NEAR(kept(2, 1e-9), 1. / 3, 1e-6);
  EXPECT_NEAR(kept(3, 1e-9), 1. / 4, 1e-6);
  EXPECT_NEAR(kept(2, .1), .354415, 1e-4);
}

TEST(PreferenceTest, IrreducibleLossesAreSubtractedAndMissingOnesFollowTheirPolicy) {
  Case c(Kind::kScorePower, {4, 4, 4, 4});
  c.preference().alpha = 1;
  c.preference().irreducible = "il";
  c.SetColumn("il", {1, 3, 5, std::numeric_limits<double>::quiet_NaN()});
  ExpectClose(c.Inner(), Normalised({3, 1, 0, 4}));
  c.preference().missing_irreducible = Preference::MissingIrreducible::kStratumMean;
  ExpectClose(c.Inner(), Normalised({3, 1, 0, 1}));
  c.Stratify({0, 1, 1, 0});
  ExpectClose(c.Inner(), {.5, 1, 0, .5});
  c.preference().kind = Kind::kSoftmax;  // differences of any sign
  c.preference().temperature = 1;
  ExpectClose(c.Inner(), {.5, std::exp(2) / (std::exp(2) + 1), 1 / (std::exp(2) + 1), .5});
}

TEST(PreferenceTest, AColumnOfTheDatasetStandsInForAScore) {
  Case c(Kind::kScorePower, {9, 9, 9});
  c.preference().alpha = 1;
  c.preference().column = "quality";
  c.SetColumn("quality", {.2, .3, .5});
  ExpectClose(c.Inner(), {.2, .3, .5});
}

TEST(PreferenceTest, TheRefreshQuotaGoesToTheOldestScoresOfEachStratum) {
  Case c(Kind::kScorePower, {1, 1, 1, 1, 1, 1});
  c.preference().alpha = 1;
  c.Stratify({0, 0, 0, 0, 1, 1});
  c.guard().refresh = .3;
  c.guard().uniform_floor = .2;
  c.guard().stale_fraction = .5;
  c.Report("loss.step", {10, 3, kNan, 5, 7, 8});
  const double rest = .7 / 4;
  ExpectClose(c.Inner(), {rest, rest + .15, rest + .15, rest, .35 + .3, .35});
}

TEST(PreferenceTest, AFilteredPopulationRanksOnlyItself) {
  Case c(Kind::kRank, {5, 4, 3, 2, 1, 0});
  c.preference().alpha = 1;
  auto strata = std::make_shared<Strata>();
  strata->values = {0};
  strata->offsets = {0, 3};
  strata->members = Members({1, 3, 5});
  const InnerDraw inner = InnerProbabilities(c.input, {6, strata});
  ExpectClose(inner.probabilities, Normalised({1, 1. / 2, 1. / 3}));
}

}  // namespace
}  // namespace subset::sampling
