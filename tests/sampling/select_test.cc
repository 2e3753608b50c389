#include "sampling/select.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using Kind = SelectRule::Kind;

constexpr StreamKey kKey = {3, 1, 0};

SelectRule Rule(Kind kind, uint32_t count = 0) {
  SelectRule rule;
  rule.kind = kind;
  rule.count = count;
  return rule;
}

Selection MustSelect(const SelectRule& rule, const std::vector<float>& scores,
                     uint64_t position = 0, const std::vector<float>& history = {}) {
  auto selection = Select(rule, kKey, position, scores, history);
  EXPECT_OK(selection);
  return selection.ok() ? *selection : Selection{};
}

double Choose(int n, int k) {
  if (k < 0 || k > n) return 0;
  double c = 1;
  for (int i = 0; i < k; ++i) c = c * (n - i) / (i + 1);
  return c;
}

// (B/N) P[Hypergeom(N-1, r-1, B-1) <= b-1]: that the item of rank r is in a pool of B and among the
// b largest of it.
double TopOfPool(int n, int pool, int b, int rank) {
  double p = 0;
  for (int above = 0; above < b; ++above) {
    p += Choose(rank - 1, above) * Choose(n - rank, pool - 1 - above) / Choose(n - 1, pool - 1);
  }
  return p * pool / n;
}

// Calls f(members) for every pool of `size` out of n.
template <typename F>
void ForEachPool(int n, int size, F f) {
  for (uint32_t mask = 0; mask < (1u << n); ++mask) {
    if (__builtin_popcount(mask) != size) continue;
    std::vector<uint32_t> members;
    for (int i = 0; i < n; ++i) {
      if ((mask >> i & 1) != 0) members.push_back(i);
    }
    f(members);
  }
}

TEST(SelectTopTest, TheLargestStayWithFactorOneAndAreBiased) {
  const Selection selection = MustSelect(Rule(Kind::kTop, 2), {-3, 5, 0, 7});
  EXPECT_THAT(selection.chosen, UnorderedElementsAre(1, 3));
  EXPECT_THAT(selection.factors, ElementsAre(1, 1));
  EXPECT_THAT(selection.probabilities, ElementsAre(1, 1));
  EXPECT_FALSE(selection.unbiased);
  EXPECT_TRUE(MustSelect(Rule(Kind::kTop, 4), {-3, 5, 0, 7}).unbiased);
}

TEST(SelectTopTest, OverAllPoolsEachRankIsChosenAsOftenAsItsClosedForm) {
  constexpr int kN = 12, kPool = 6, kCount = 2;
  std::vector<double> chosen(kN);
  double pools = 0;
  ForEachPool(kN, kPool, [&](const std::vector<uint32_t>& members) {
    std::vector<float> scores;
    for (const uint32_t i : members) scores.push_back(static_cast<float>(kN - i));  // rank i + 1
    for (const uint32_t place : MustSelect(Rule(Kind::kTop, kCount), scores).chosen) {
      ++chosen[members[place]];
    }
    ++pools;
  });
  double sum = 0;
  for (int i = 0; i < kN; ++i) {
    EXPECT_NEAR(chosen[i] / pools, TopOfPool(kN, kPool, kCount, i + 1), 1e-12);
    sum += chosen[i] / pools;
  }
  EXPECT_NEAR(sum, kCount, 1e-12);
  EXPECT_EQ(chosen[kN - 1], 0);  // the easiest: no weight could make plain top-k unbiased
}

TEST(SelectTopTest, TiesGoByAKeyedHashAndNotByPlace) {
  std::vector<uint64_t> counts(10);
  for (uint64_t position = 0; position < 20000; ++position) {
    for (const uint32_t i :
         MustSelect(Rule(Kind::kTop, 3), std::vector<float>(10, 1), position).chosen) {
      ++counts[i];
    }
  }
  const ChiSquare chi = Pearson(counts, std::vector<double>(10, .1));
  EXPECT_LT(chi.value * 9 / 7, ChiSquareLimit(9));  // false alarms below 1e-6
}

TEST(SelectTopAndUniformTest, WeightsAreThoseOfTwoPhases) {
  SelectRule rule = Rule(Kind::kTopAndUniform, 4);
  rule.uniform = 3;
  ASSERT_OK(ResolveSelectRule(&rule));
  const std::vector<float> scores = {1, 9, 3, 4, 5, 6, 7, 8};
  const Selection selection = MustSelect(rule, scores);
  ASSERT_EQ(selection.chosen.size(), 4);
  EXPECT_EQ(selection.chosen[0], 1);
  EXPECT_FLOAT_EQ(selection.factors[0], 4. / 8);
  for (size_t k = 1; k < 4; ++k) EXPECT_FLOAT_EQ(selection.factors[k], (4. / 8) * (8 - 1) / 3);
  EXPECT_TRUE(selection.unbiased);
  EXPECT_EQ(std::set<uint32_t>(selection.chosen.begin(), selection.chosen.end()).size(), 4);
}

TEST(SelectTopAndUniformTest, ProbabilitiesAndFactorsGiveThePoolsMeanExactly) {
  // sum of pi * factor * f / b over the pool, from the probabilities that are reported.
  SelectRule rule = Rule(Kind::kTopAndUniform, 5);
  rule.uniform = 2;
  std::vector<float> scores(12);
  std::iota(scores.begin(), scores.end(), 1.0f);
  std::vector<double> pi(12), factor(12);
  for (uint64_t position = 0; position < 200; ++position) {
    const Selection s = MustSelect(rule, scores, position);
    for (size_t k = 0; k < s.chosen.size(); ++k) {
      pi[s.chosen[k]] = s.probabilities[k];
      factor[s.chosen[k]] = s.factors[k];
    }
  }
  EXPECT_NEAR(std::accumulate(pi.begin(), pi.end(), 0.0), 5, 1e-12);
  for (size_t i = 0; i < 12; ++i) EXPECT_NEAR(pi[i] * factor[i] / 5, 1. / 12, 1e-8);  // a float's
}

TEST(SelectTopAndUniformTest, TheRestIsChosenUniformly) {
  SelectRule rule = Rule(Kind::kTopAndUniform, 4);
  rule.uniform = 3;
  std::vector<float> scores(11);
  std::iota(scores.begin(), scores.end(), 1.0f);
  std::vector<uint64_t> counts(10);
  for (uint64_t position = 0; position < 20000; ++position) {
    for (const uint32_t i : MustSelect(rule, scores, position).chosen) {
      if (i < 10) ++counts[i];
    }
  }
  const ChiSquare chi = Pearson(counts, std::vector<double>(10, .1));
  EXPECT_LT(chi.value * 9 / 7, ChiSquareLimit(9));  // false alarms below 1e-6
}

TEST(SelectTopAndUniformTest, WithoutATopItIsAUniformSubset) {
  SelectRule rule = Rule(Kind::kProportional);
  rule.keep = .35;
  rule = UniformRule(rule, 10);
  std::vector<float> scores(10);
  std::iota(scores.begin(), scores.end(), 1.0f);
  std::vector<uint64_t> counts(10);
  for (uint64_t position = 0; position < 20000; ++position) {
    const Selection s = MustSelect(rule, scores, position);
    ASSERT_EQ(std::set<uint32_t>(s.chosen.begin(), s.chosen.end()).size(), 3u);
    ASSERT_THAT(s.probabilities, ElementsAre(.3, .3, .3));
    ASSERT_THAT(s.factors, ElementsAre(1, 1, 1));
    ASSERT_TRUE(s.unbiased);
    for (const uint32_t i : s.chosen) ++counts[i];
  }
  const ChiSquare chi = Pearson(counts, std::vector<double>(10, .1));
  EXPECT_LT(chi.value * 9 / 7, ChiSquareLimit(9));  // false alarms below 1e-6
}

TEST(SelectProportionalTest, ProbabilitiesFactorsAndCountsFollowTheScores) {
  SelectRule rule = Rule(Kind::kProportional, 8);
  std::vector<float> scores;
  for (int i = 0; i < 24; ++i) scores.push_back(static_cast<float>(i % 7));
  const double total = std::accumulate(scores.begin(), scores.end(), 0.0);
  std::vector<uint64_t> counts(scores.size());
  std::vector<double> q;
  for (const float s : scores) q.push_back(s / total);
  for (uint64_t position = 0; position < 5000; ++position) {
    const Selection s = MustSelect(rule, scores, position);
    ASSERT_EQ(s.chosen.size(), 8);
    for (size_t k = 0; k < 8; ++k) {
      const uint32_t i = s.chosen[k];
      ++counts[i];
      ASSERT_NEAR(s.probabilities[k], q[i], 1e-15);
      ASSERT_FLOAT_EQ(s.factors[k], 1 / (24 * q[i]));
    }
    ASSERT_FALSE(s.unbiased);  // zero scores are out of reach
  }
  const ChiSquare chi = Pearson(counts, q);
  EXPECT_LT(chi.value, ChiSquareLimit(chi.df));  // false alarms below 1e-6
}

TEST(SelectProportionalTest, AFloorReachesZeroScoresAndBoundsTheFactors) {
  SelectRule rule = Rule(Kind::kProportional, 400);
  rule.floor = .25;
  std::vector<float> scores(400);
  scores[7] = 1e30f;
  const Selection s = MustSelect(rule, scores);
  EXPECT_TRUE(s.unbiased);
  EXPECT_LE(*std::max_element(s.factors.begin(), s.factors.end()), 4.0f);
  EXPECT_GT(std::set<uint32_t>(s.chosen.begin(), s.chosen.end()).size(), 50);
}

TEST(SelectProportionalTest, AllZeroScoresAreUniform) {
  const Selection s = MustSelect(Rule(Kind::kProportional, 3), {0, 0, 0, 0});
  EXPECT_THAT(s.probabilities, ElementsAre(.25, .25, .25));
  EXPECT_THAT(s.factors, ElementsAre(1, 1, 1));
  EXPECT_TRUE(s.unbiased);
}

TEST(SelectKeepProbabilityTest, TheCoinIsThePercentileToTheBetaInAGivenHistory) {
  SelectRule rule = Rule(Kind::kKeepProbability);
  rule.beta = 2;
  rule.least = .1;
  const std::vector<float> history = {1, 2, 2, 3, 5};
  const std::vector<float> scores = {0, 2, 3, 9};
  // (#less + half of #equal) / R = 0, 2/5, 3.5/5, 1.
  const std::vector<double> pi = {.1, .16, .49, 1};
  std::vector<uint64_t> counts(4);
  constexpr int kTrials = 20000;
  for (uint64_t position = 0; position < kTrials; ++position) {
    const Selection s = MustSelect(rule, scores, position, history);
    EXPECT_TRUE(s.unbiased);
    for (size_t k = 0; k < s.chosen.size(); ++k) {
      const uint32_t i = s.chosen[k];
      ++counts[i];
      ASSERT_NEAR(s.probabilities[k], pi[i], 1e-14);
      ASSERT_FLOAT_EQ(s.factors[k], static_cast<double>(s.chosen.size()) / (4 * pi[i]));
    }
  }
  for (size_t i = 0; i < 4; ++i) {
    const double deviation = 5 * std::sqrt(kTrials * pi[i] * (1 - pi[i]));  // 6e-7 each
    EXPECT_NEAR(static_cast<double>(counts[i]), kTrials * pi[i], deviation + 1e-9);
  }
}

TEST(SelectKeepProbabilityTest, TheExpectedShareKeptIsTheClosedForm) {
  // 1 / (beta + 1) + beta / (beta + 1) least^((beta + 1) / beta), for a pool that is its history.
  SelectRule rule = Rule(Kind::kKeepProbability);
  std::vector<float> scores(20000);
  std::iota(scores.begin(), scores.end(), 0.0f);
  for (const auto& [beta, least, share] :
       {std::tuple{1., 0., .5}, {2., 0., 1. / 3}, {3., 0., .25}, {2., .1, .354415}}) {
    rule.beta = beta;
    rule.least = least;
    const double kept = static_cast<double>(MustSelect(rule, scores).chosen.size()) / 20000;
    EXPECT_NEAR(kept, share, 5 * .5 / std::sqrt(20000.));  // five deviations at most: 6e-7
  }
}

TEST(SelectKeepProbabilityTest, NoneKeptIsAnEmptySelection) {
  SelectRule rule = Rule(Kind::kKeepProbability);
  const Selection s = MustSelect(rule, {0, 0}, 0, {1, 2});
  EXPECT_TRUE(s.chosen.empty());
  EXPECT_TRUE(s.factors.empty());
  EXPECT_FALSE(s.unbiased);  // probability 0 is out of reach
}

TEST(SelectKeepFractionTest, SuccessiveDrawsByRankAsTheyArePublished) {
  // keep = .5: weights (i + .5) / 4, two of four; P{a, b} = p_a p_b / (1 - p_a) + the other order.
  SelectRule rule = Rule(Kind::kKeepFraction);
  rule.keep = .5;
  const std::vector<double> p = {1. / 16, 3. / 16, 5. / 16, 7. / 16};
  std::vector<double> expected;
  for (int a = 0; a < 4; ++a) {
    for (int b = a + 1; b < 4; ++b) {
      expected.push_back(p[a] * p[b] / (1 - p[a]) + p[a] * p[b] / (1 - p[b]));
    }
  }
  std::vector<uint64_t> counts(6);
  for (uint64_t position = 0; position < 20000; ++position) {
    const Selection s = MustSelect(rule, {10, 20, 30, 40}, position);
    ASSERT_EQ(s.chosen.size(), 2);
    EXPECT_TRUE(s.probabilities.empty());
    const uint32_t a = std::min(s.chosen[0], s.chosen[1]);
    const uint32_t b = std::max(s.chosen[0], s.chosen[1]);
    ++counts[a == 0 ? b - 1 : a == 1 ? b + 1 : 5];
  }
  const ChiSquare chi = Pearson(counts, expected);
  EXPECT_LT(chi.value, 35.9);  // 5 degrees of freedom: exceeded with probability 1e-6
}

TEST(SelectTest, IsAFunctionOfKeyPositionScoresAndRule) {
  SelectRule rule = Rule(Kind::kProportional, 5);
  std::vector<float> scores(100, 1);
  EXPECT_EQ(MustSelect(rule, scores, 7).chosen, MustSelect(rule, scores, 7).chosen);
  EXPECT_NE(MustSelect(rule, scores, 7).chosen, MustSelect(rule, scores, 8).chosen);
}

TEST(SelectTest, PoolsThatCannotBeSelectedFromAreRefused) {
  const SelectRule top = Rule(Kind::kTop, 2);
  const auto refused = [&](const SelectRule& rule, const std::vector<float>& scores,
                           const std::vector<float>& history, const std::string& text) {
    EXPECT_THAT(Select(rule, kKey, 0, scores, history).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  };
  refused(top, {}, {}, "scores is empty");
  refused(top, {1, NAN}, {}, "scores[1] nan is not finite");
  refused(top, {1, INFINITY}, {}, "scores[1] inf is not finite");
  refused(top, {1}, {}, "select.count 2 is above the pool's 1 candidates");
  refused(top, {1, 2}, {1}, "history is set");
  refused(Rule(Kind::kProportional, 1), {-1}, {}, "scores[0] -1 is outside [0, infinity)");
  refused(Rule(Kind::kKeepProbability), {1}, {2, 1}, "history is not finite and rising at 1");
  refused(Rule(Kind::kKeepProbability), {1}, {NAN}, "history is not finite and rising at 0");
}

TEST(SelectRuleTest, EveryValueOutOfRangeIsRefusedByNameAndBound) {
  const auto refused = [](SelectRule rule, const std::string& text) {
    const SelectRule before = rule;
    EXPECT_THAT(ResolveSelectRule(&rule),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
    EXPECT_EQ(rule.count, before.count);
  };
  refused(Rule(Kind::kTop, 0), "select.count 0 is outside [1, 1048576]");
  refused(Rule(Kind::kTop, kMaxPool + 1), "select.count");
  SelectRule rule = Rule(Kind::kTopAndUniform, 4);
  refused(rule, "select.uniform 0 is outside [1, 4)");
  rule.uniform = 4;
  refused(rule, "select.uniform 4 is outside [1, 4)");
  for (const double bad : {0., -1., 17., std::numeric_limits<double>::quiet_NaN()}) {
    rule = Rule(Kind::kProportional, 1);
    rule.alpha = bad;
    refused(rule, "select.alpha");
    rule = Rule(Kind::kKeepProbability);
    rule.beta = bad;
    refused(rule, "select.beta");
  }
  for (const double bad : {-.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    rule = Rule(Kind::kProportional, 1);
    rule.floor = bad;
    refused(rule, "select.floor");
    rule = Rule(Kind::kKeepProbability);
    rule.least = bad;
    refused(rule, "select.least");
    rule = Rule(Kind::kKeepFraction);
    rule.keep = bad;
    refused(rule, "select.keep");
  }
}

TEST(SelectRuleTest, FieldsOfOtherKindsGoBackToTheirDefaults) {
  SelectRule rule = Rule(Kind::kKeepFraction, 9);
  rule.keep = .5;
  rule.alpha = -3;
  ASSERT_OK(ResolveSelectRule(&rule));
  EXPECT_EQ(rule.count, 0);
  EXPECT_EQ(rule.alpha, 1);
  EXPECT_EQ(rule.keep, .5);
}

}  // namespace
}  // namespace subset::sampling
