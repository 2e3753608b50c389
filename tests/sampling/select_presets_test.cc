// The presets that score pools with the current model, from the name to what is trained on: pools
// of a real plan, chosen from by the preset's own rule, against enumerations and closed forms.

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "sampling/presets.h"
#include "sampling/select.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kN = 12;
constexpr uint32_t kPool = 6;
constexpr int kEpochs = 20000;

using Parameters = std::map<std::string, double>;

SamplerSpec MustMake(const std::string& name, const Parameters& parameters) {
  const auto spec = PresetSpec(name, parameters, {});
  EXPECT_OK(spec);
  return spec.ok() ? *spec : SamplerSpec{};
}

// Scores 1 .. N: sample i has i + 1.
std::vector<float> ScoresOf(const std::vector<uint32_t>& samples) {
  std::vector<float> scores;
  for (const uint32_t i : samples) scores.push_back(static_cast<float>(i + 1));
  return scores;
}

// How often each sample is chosen per pool, over the first pools of many epochs, and the mean of
// sum(w f) / m over them, with f_i = (i + 1)^2 / N.
struct Observed {
  std::vector<double> chosen = std::vector<double>(kN);
  double mean = 0;
  double mean_deviation = 0;
};

Observed Train(const SamplerSpec& spec) {
  Observed observed;
  double sum = 0;
  double squares = 0;
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    PlanInput input;
    input.spec = SpecAt(spec, epoch, 0);
    input.key = {11, 1, epoch};
    input.num_samples = kN;
    input.batch_size = kPool;
    const auto plan = BuildPlan(input);
    EXPECT_OK(plan);
    std::vector<uint32_t> pool(kPool);
    std::vector<float> weights(kPool);
    (*plan)->Draw(0, absl::MakeSpan(pool), {}, absl::MakeSpan(weights));
    const auto selection = Select(*spec.select, input.key, 0, ScoresOf(pool));
    EXPECT_OK(selection);
    double estimate = 0;
    for (size_t k = 0; k < selection->chosen.size(); ++k) {
      const uint32_t place = selection->chosen[k];
      observed.chosen[pool[place]] += 1. / kEpochs;
      const double f = (pool[place] + 1.) * (pool[place] + 1.) / kN;
      estimate += weights[place] * selection->factors[k] * f /
                  static_cast<double>(selection->chosen.size());
    }
    sum += estimate;
    squares += estimate * estimate;
  }
  observed.mean = sum / kEpochs;
  observed.mean_deviation =
      std::sqrt((squares / kEpochs - observed.mean * observed.mean) / kEpochs);
  return observed;
}

double TrueMean() {
  double sum = 0;
  for (uint32_t i = 0; i < kN; ++i) sum += (i + 1.) * (i + 1.) / kN;
  return sum / kN;
}

// The mean of f(pool's members) over all pools: what is expected of each sample per pool.
std::vector<double> OverPools(
    const std::function<std::vector<double>(const std::vector<uint32_t>&)>& of_pool) {
  std::vector<double> expected(kN);
  double pools = 0;
  for (uint32_t mask = 0; mask < 1u << kN; ++mask) {
    if (__builtin_popcount(mask) != kPool) continue;
    std::vector<uint32_t> members;
    for (uint32_t i = 0; i < kN; ++i) {
      if ((mask >> i & 1) != 0) members.push_back(i);
    }
    const std::vector<double> counts = of_pool(members);
    for (size_t k = 0; k < kPool; ++k) expected[members[k]] += counts[k];
    ++pools;
  }
  for (double& e : expected) e /= pools;
  return expected;
}

// 12 samples and the mean, each within 5.7 deviations: false alarms below 13 * 1.2e-8 = 2e-7.
void ExpectSame(const Observed& observed, const std::vector<double>& expected, double variance) {
  for (uint32_t i = 0; i < kN; ++i) {
    const double deviation = std::sqrt(std::max(expected[i], 1e-9) * variance / kEpochs);
    EXPECT_NEAR(observed.chosen[i], expected[i], 5.7 * deviation + 1e-9) << i;
  }
}
void ExpectUnbiased(const Observed& observed) {
  EXPECT_NEAR(observed.mean, TrueMean(), 5.7 * observed.mean_deviation);
}

double Choose(int n, int k) {
  if (k < 0 || k > n) return 0;
  double c = 1;
  for (int i = 0; i < k; ++i) c = c * (n - i) / (i + 1);
  return c;
}

// (B/N) P[Hypergeom(N-1, r-1, B-1) <= b-1], r = 1 for the largest score.
double TopOfPool(int b, int rank) {
  double p = 0;
  for (int above = 0; above < b; ++above) {
    p += Choose(rank - 1, above) * Choose(kN - rank, kPool - 1 - above) / Choose(kN - 1, kPool - 1);
  }
  return p * kPool / kN;
}

TEST(SelectPresetsTest, OhemChoosesByTheClosedFormOfTheTopOfAPool) {
  const SamplerSpec spec = MustMake("ohem", {{"keep", 1. / 3}});
  std::vector<double> expected(kN);
  for (uint32_t i = 0; i < kN; ++i) expected[i] = TopOfPool(2, static_cast<int>(kN - i));
  EXPECT_NEAR(std::accumulate(expected.begin(), expected.end(), 0.0), 2, 1e-12);
  const Observed observed = Train(spec);
  ExpectSame(observed, expected, 1);
  EXPECT_EQ(observed.chosen[0], 0);  // no weight could make it unbiased
}

TEST(SelectPresetsTest, OhemWithAUniformShareIsUnbiased) {
  const SamplerSpec spec = MustMake("ohem", {{"keep", .5}, {"uniform_share", .34}});
  std::vector<double> expected(kN);
  for (uint32_t i = 0; i < kN; ++i) {
    const double top = TopOfPool(2, static_cast<int>(kN - i));
    expected[i] = top + (kPool / double{kN} - top) * 1 / (kPool - 2);  // b1 = 2, b2 = 1
  }
  const Observed observed = Train(spec);
  ExpectSame(observed, expected, 1);
  ExpectUnbiased(observed);
}

TEST(SelectPresetsTest, RhoLossIsTheTopOfReducibleLossesWithWeightsOfOne) {
  const SamplerSpec spec = MustMake("rho_loss", {});
  EXPECT_EQ(spec.preference.irreducible, "irreducible_loss");
  EXPECT_EQ(spec.select->kind, SelectRule::Kind::kTop);
  EXPECT_EQ(RuleForPool(*spec.select, 320).count, 32);  // the paper's 32 of 320
  const Selection s = *Select(*spec.select, {1, 1, 0}, 0, {-2, 3, -1, -7, 0});
  EXPECT_EQ(s.chosen, std::vector<uint32_t>{1});  // at least one; negative scores are legal
  EXPECT_EQ(s.factors, std::vector<float>{1});
  EXPECT_FALSE(s.unbiased);
}

TEST(SelectPresetsTest, KatharopoulosFleuretDrawsInProportionToTheScoresOfThePool) {
  for (const double floor : {0., .25}) {
    const SamplerSpec spec = MustMake("katharopoulos_fleuret", {{"floor", floor}});
    EXPECT_EQ(RuleForPool(*spec.select, 96).count, 32);  // B = 3 b
    const std::vector<double> expected = OverPools([&](const std::vector<uint32_t>& members) {
      double total = 0;
      for (const uint32_t i : members) total += i + 1;
      std::vector<double> counts;
      for (const uint32_t i : members) {
        counts.push_back(2 * ((1 - floor) * (i + 1) / total + floor / kPool));  // b = 2
      }
      return counts;
    });
    const Observed observed = Train(spec);
    ExpectSame(observed, expected, 2);  // two draws of a pool may choose the same one
    ExpectUnbiased(observed);
  }
}

TEST(SelectPresetsTest, SelectiveBackpropTossesACoinByThePercentileInThePool) {
  const SamplerSpec spec = MustMake("selective_backprop", {{"beta", 2}, {"least", .1}});
  const std::vector<double> expected = OverPools([](const std::vector<uint32_t>&) {
    std::vector<double> counts;  // members stand by rising score
    for (uint32_t k = 0; k < kPool; ++k) {
      const double percentile = (k + .5) / kPool;
      counts.push_back(std::max(.1, percentile * percentile));
    }
    return counts;
  });
  const Observed observed = Train(spec);
  ExpectSame(observed, expected, 1);
  ExpectUnbiased(observed);
}

TEST(RuleForPoolTest, SharesAreFlooredAfterFloatNoiseAndNeverNothing) {
  SelectRule rule;
  rule.keep = .29;
  ASSERT_OK(ResolveSelectRule(&rule));
  EXPECT_EQ(RuleForPool(rule, 100).count, 29);
  EXPECT_EQ(RuleForPool(rule, 99).count, 28);
  EXPECT_EQ(RuleForPool(rule, 2).count, 1);
  rule.kind = SelectRule::Kind::kTopAndUniform;
  rule.uniform_share = .5;
  ASSERT_OK(ResolveSelectRule(&rule));
  EXPECT_EQ(RuleForPool(rule, 100).uniform, 14);
  EXPECT_EQ(RuleForPool(rule, 3).count, 2);  // one of each part
  EXPECT_EQ(RuleForPool(rule, 3).uniform, 1);
  EXPECT_EQ(RuleForPool(rule, 1).count, 1);
  EXPECT_EQ(RuleForPool(rule, 1).uniform, 0);
  const Selection alone = *Select(rule, {1, 1, 0}, 0, {5});
  EXPECT_EQ(alone.factors, std::vector<float>{1});
  EXPECT_TRUE(alone.unbiased);
}

TEST(RuleForPoolTest, ANumberAndAShareExcludeEachOther) {
  SelectRule rule;
  rule.count = 3;
  rule.keep = .5;
  EXPECT_THAT(ResolveSelectRule(&rule), FieldIs("select.keep"));
  rule.kind = SelectRule::Kind::kTopAndUniform;
  rule.keep = 0;
  rule.uniform = 1;
  rule.uniform_share = .5;
  EXPECT_THAT(ResolveSelectRule(&rule), FieldIs("select.uniform_share"));
  rule.count = 0;
  rule.keep = .5;
  EXPECT_THAT(ResolveSelectRule(&rule), FieldIs("select.uniform"));
  rule.uniform = 0;
  rule.uniform_share = 1;
  EXPECT_THAT(ResolveSelectRule(&rule), FieldIs("select.uniform_share"));
}

}  // namespace
}  // namespace subset::sampling
