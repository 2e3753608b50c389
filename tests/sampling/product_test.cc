// The product of the options: each combination is refused with its field, or keeps its identities.

#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/eligible.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/proportion.h"
#include "sampling/shares.h"
#include "tests/sampling/product_samples.h"
#include "tests/sampling/product_specs.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;

// Whether the number of positions is drawn, too.
bool HasRandomLength(const Draw& draw) {
  return draw.kind == Draw::Kind::kIndependent || draw.kind == Draw::Kind::kBlocks ||
         (draw.kind == Draw::Kind::kBootstrap && draw.bootstrap == Draw::BootstrapForm::kPoisson);
}

// r_i of the eligible samples.
std::vector<double> TargetOf(const PlanInput& input, const std::vector<uint16_t>& labels) {
  const SampleSet eligible = *EligibleSamples(input);
  std::map<uint16_t, double> members;
  double n = 0;
  for (uint64_t i = 0; i < input.num_samples; ++i) {
    if (!eligible.Contains(i)) continue;
    ++members[labels[i]];
    ++n;
  }
  std::vector<double> r(input.num_samples);
  if (input.spec.weight.target == Weight::Target::kShares) {
    const Population population = *BuildPopulation(input);
    const Shares shares = SharesOf(input, population);
    for (size_t g = 0; g < population.num_strata(); ++g) {
      const uint64_t end = population.first(g) + population.count(g);
      for (uint64_t slot = population.first(g); slot < end; ++slot) {
        r[population.sample(slot)] = shares.share(g) / static_cast<double>(population.count(g));
      }
    }
    return r;
  }
  const bool balanced = input.spec.weight.target == Weight::Target::kBalanced;
  for (uint64_t i = 0; i < input.num_samples; ++i) {
    if (!eligible.Contains(i)) continue;
    r[i] = balanced ? 1 / (static_cast<double>(members.size()) * members[labels[i]]) : 1 / n;
  }
  return r;
}

void CheckPlan(const PlanInput& input, const EpochPlan& plan, const std::vector<double>& r) {
  const PlanTraits& traits = plan.traits();
  const double slots = static_cast<double>(traits.num_positions);
  std::vector<double> mu(input.num_samples);
  plan.Expect(absl::MakeSpan(mu));
  const double mean_slots = std::accumulate(mu.begin(), mu.end(), 0.0);
  if (!HasRandomLength(input.spec.draw)) {
    // Repeats are rounded, all of them together by less than one.
    EXPECT_NEAR(mean_slots, slots, input.spec.repeats() ? 1 : 1e-9 * slots);
  }
  EXPECT_TRUE(traits.effective_sample_ratio > 0 && traits.effective_sample_ratio < 1 + 1e-9);
  const bool unbiased = traits.unbiased_over != UnbiasedOver::kNothing;
  uint64_t reached = 0;
  for (uint64_t i = 0; i < mu.size(); ++i) {
    ASSERT_TRUE(mu[i] >= 0) << "sample " << i;
    reached += mu[i] > 0;
    if (r[i] == 0) {
      ASSERT_EQ(mu[i], 0) << "sample " << i << " is not eligible";
    }
    if (r[i] > 0 && unbiased) {
      ASSERT_GT(mu[i], 0) << "sample " << i << " is never drawn";
    }
  }
  EXPECT_GE(reached, traits.distinct_samples);

  const bool per_draw = traits.probability_kind == ProbabilityKind::kPerDraw;
  const bool epoch_sum = input.spec.preference.kind == Kind::kBelowMeanPruning &&
                         input.spec.preference.scale == Preference::Scale::kEpochSum;
  // Weights that may differ by a factor only have none to scale them to the length.
  const Weight& weight = input.spec.weight;
  const bool ones =
      weight.target == Weight::Target::kNone || weight.normalise == Weight::Normalise::kSelf;
  double mass = ones ? mean_slots : slots;
  if (epoch_sum) {
    mass = 0;
    for (const double x : r) mass += x > 0;
  }
  const Drawn drawn = DrawEpoch(plan);
  for (size_t k = 0; k < drawn.indices.size(); ++k) {
    const uint32_t i = drawn.indices[k];
    ASSERT_LT(i, mu.size());
    ASSERT_NEAR(drawn.probabilities[k], per_draw ? mu[i] / slots : mu[i], 1e-9) << "sample " << i;
    ASSERT_TRUE(std::isfinite(drawn.weights[k]) && drawn.weights[k] >= 0);
    // With every w_i = M r_i / mu_i, sum_i mu_i w_i f_i / M is sum_i r_i f_i whatever f.
    if (unbiased) {
      ASSERT_NEAR(drawn.weights[k] * mu[i] / (mass * r[i]), 1, 1e-6) << "sample " << i;
    }
    if (traits.weight.has_value()) {
      ASSERT_EQ(*traits.weight, drawn.weights[k]);
    }
    if (traits.probability.has_value()) {
      ASSERT_EQ(*traits.probability, drawn.probabilities[k]);
    }
  }
}

// It comes back from its bytes without the scores.
void CheckStored(const PlanInput& input, const EpochPlan& plan) {
  PlanInput without = input;
  without.columns.scores.clear();
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(without, plan.Serialize()));
  const Drawn a = DrawEpoch(plan);
  const Drawn b = DrawEpoch(*parsed);
  EXPECT_EQ(a.indices, b.indices);
  EXPECT_EQ(a.probabilities, b.probabilities);
  EXPECT_EQ(a.weights, b.weights);
}

// How many combinations are built, and how many of them unbiased.
struct Tally {
  uint64_t built = 0;
  uint64_t unbiased = 0;
  uint64_t refused = 0;
};

Tally CheckProduct(const ProductSamples& samples, const Options& draws, const Options& guards,
                   bool stored) {
  Tally tally;
  ForEachSpec(draws, guards, [&](const std::string& name, const SamplerSpec& spec) {
    SCOPED_TRACE(name);
    PlanInput input = samples.c.input;
    input.spec = spec;
    const absl::Status resolved = ResolveSpec(&input.spec);
    if (!resolved.ok()) {
      EXPECT_EQ(resolved.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_TRUE(ErrorField(resolved).has_value()) << resolved;
      ++tally.refused;
      return true;
    }
    const auto plan = BuildPlan(input);
    if (!plan.ok()) {
      EXPECT_THAT(plan, ReasonIs("NOTHING_TO_DRAW"));
      return true;
    }
    CheckPlan(input, **plan, TargetOf(input, samples.labels));
    if (stored) CheckStored(input, **plan);
    ++tally.built;
    tally.unbiased += (*plan)->traits().unbiased_over != UnbiasedOver::kNothing;
    return !testing::Test::HasFailure();
  });
  return tally;
}

TEST(ProductTest, EveryCombinationIsRefusedWithItsFieldOrKeepsItsIdentities) {
  const ProductSamples samples(50, false);
  const Tally tally = CheckProduct(samples, Draws(), Guards(), true);
  EXPECT_GT(tally.built, 8000);
  EXPECT_GT(tally.unbiased, 1500);
  EXPECT_GT(tally.refused, 8000);
}

TEST(ProductTest, TheSameHoldsWhereEveryScoreIsZero) {
  const ProductSamples samples(23, true);
  EXPECT_GT(CheckProduct(samples, Draws(), Guards(), false).built, 4000);
}

TEST(ProductTest, TheSameHoldsForOneSample) {
  const ProductSamples samples(1, false);
  EXPECT_GT(CheckProduct(samples, Draws(), Guards(), false).built, 1000);
}

TEST(ProductTest, ListDrawsAreRefusedWithTheirFieldOrKeepTheirIdentities) {
  const ProductSamples samples(50, false);
  const Tally tally = CheckProduct(samples, ListDraws(), FewGuards(), true);
  EXPECT_GT(tally.built, 3000);
  EXPECT_GT(tally.unbiased, 500);
  EXPECT_GT(tally.refused, 8000);
}

TEST(ProductTest, ListDrawsOfZeroScoresAndOfOneSampleDoAsWell) {
  const ProductSamples zeros(23, true);
  EXPECT_GT(CheckProduct(zeros, ListDraws(), FewGuards(), false).built, 2000);
  const ProductSamples one(1, false);
  EXPECT_GT(CheckProduct(one, ListDraws(), FewGuards(), false).built, 500);
}

}  // namespace
}  // namespace subset::sampling
