// Plans whose strata follow exact quotas.

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "sampling/proportion.h"
#include "sampling/quota_order.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kBatch = 10;

PlanInput Input(const std::vector<size_t>& counts, Proportion::Kind kind) {
  PlanInput input;
  input.spec.proportion.kind = kind;
  input.spec.proportion.column = "label";
  input.spec.proportion.exact_quotas = true;
  input.strata = *StrataOf(LabelsWithCounts(counts));
  input.num_samples = input.strata->members.size();
  input.batch_size = kBatch;
  input.key = {7, 1, 3};
  return input;
}

// Checks that no stratum is a whole slot away from its share after any batch.
void ExpectQuotas(const PlanInput& input, const std::vector<uint32_t>& indices) {
  const Shares shares = SharesOf(input, *BuildPopulation(input));
  std::vector<uint32_t> stratum(input.num_samples);
  for (size_t g = 0; g < input.strata->values.size(); ++g) {
    for (uint64_t k = input.strata->offsets[g]; k < input.strata->offsets[g + 1]; ++k) {
      stratum[input.strata->members[k]] = static_cast<uint32_t>(g);
    }
  }
  std::vector<double> served(input.strata->values.size());
  for (size_t p = 0; p < indices.size(); ++p) {
    ++served[stratum[indices[p]]];
    if ((p + 1) % kBatch != 0) continue;
    for (size_t g = 0; g < served.size(); ++g) {
      ASSERT_LT(std::abs(served[g] - static_cast<double>(p + 1) * shares.share(g)), 1);
    }
  }
}

TEST(QuotaPlanTest, AnEpochKeepsItsQuotasAndPassesOverItsStrataEvenly) {
  for (const auto kind : {Proportion::Kind::kNatural, Proportion::Kind::kEqual}) {
    PlanInput input = Input({70, 900, 7, 301}, kind);
    ASSERT_OK(ResolveSpec(&input.spec));
    const auto plan = BuildPlan(input);
    ASSERT_OK(plan);
    const Drawn drawn = DrawEpoch(**plan);
    ASSERT_EQ(drawn.indices.size(), input.num_samples);
    ExpectQuotas(input, drawn.indices);
    const auto counts = CountsOf(drawn.indices, input.num_samples);
    for (size_t g = 0; g < 4; ++g) {
      const auto& offsets = input.strata->offsets;
      const auto [least, most] =
          std::minmax_element(counts.begin() + offsets[g], counts.begin() + offsets[g + 1]);
      EXPECT_LE(*most - *least, 1) << "nothing twice before its share demands it";
    }
    EXPECT_EQ((*plan)->traits().unbiased_over, UnbiasedOver::kEpoch);
    // Every batch holds its share of the strata but not of the samples: the order differs by key.
    input.key.epoch = 4;
    EXPECT_NE(DrawEpoch(**BuildPlan(input)).indices, drawn.indices);
  }
}

TEST(QuotaPlanTest, WeightsRecoverTheTargetOverTheEpoch) {
  PlanInput input = Input({70, 900, 7, 301}, Proportion::Kind::kEqual);
  input.spec.weight.target = Weight::Target::kNatural;
  ASSERT_OK(ResolveSpec(&input.spec));
  const auto plan = BuildPlan(input);
  ASSERT_OK(plan);
  const Drawn drawn = DrawEpoch(**plan);
  std::vector<double> mu(input.num_samples);
  (*plan)->Expect(absl::MakeSpan(mu));
  std::map<uint32_t, double> weight;
  for (size_t p = 0; p < drawn.indices.size(); ++p) {
    weight[drawn.indices[p]] = drawn.weights[p];
    EXPECT_DOUBLE_EQ(drawn.probabilities[p], mu[drawn.indices[p]]);
  }
  EXPECT_NEAR(std::accumulate(mu.begin(), mu.end(), 0.0), drawn.indices.size(), 1e-6);
  for (const auto& [i, w] : weight) EXPECT_NEAR(mu[i] * w, 1, 1e-6);  // M r_i = 1
}

TEST(QuotaPlanTest, APositionDoesNotDependOnHowDrawsAreCut) {
  for (const auto draw : {Draw::Kind::kEpoch, Draw::Kind::kWithReplacement}) {
    PlanInput input = Input({70, 900, 7, 301}, Proportion::Kind::kEqual);
    input.spec.draw.kind = draw;
    ASSERT_OK(ResolveSpec(&input.spec));
    const auto plan = BuildPlan(input);
    ASSERT_OK(plan);
    const Drawn whole = DrawEpoch(**plan);
    std::mt19937_64 random(1);
    for (int cut = 0; cut < 100; ++cut) {
      const uint64_t first = random() % whole.indices.size();
      const uint64_t count = random() % std::min<uint64_t>(400, whole.indices.size() - first);
      Drawn part(count);
      (*plan)->Draw(first, absl::MakeSpan(part.indices), absl::MakeSpan(part.probabilities),
                    absl::MakeSpan(part.weights));
      ASSERT_TRUE(
          std::equal(part.indices.begin(), part.indices.end(), whole.indices.begin() + first));
    }
  }
}

TEST(QuotaPlanTest, DrawsWithReplacementKeepTheirQuotasAndTheirProbabilities) {
  PlanInput input = Input({3, 40, 7}, Proportion::Kind::kTemperature);
  input.spec.proportion.temperature = 2;
  input.spec.preference.kind = Preference::Kind::kScorePower;
  input.spec.guard.uniform_floor = .2;
  ASSERT_OK(ResolveSpec(&input.spec));
  std::vector<float> values(50);
  std::mt19937_64 random(2);
  for (float& value : values) value = static_cast<float>(random() % 9);
  const Scores scores(values);
  input.columns.scores["loss"] = scores.view();
  std::vector<uint64_t> counts(50);
  std::vector<double> q(50);
  for (input.key.epoch = 0; input.key.epoch < 4000; ++input.key.epoch) {
    const auto plan = BuildPlan(input);
    ASSERT_OK(plan);
    const Drawn drawn = DrawEpoch(**plan);
    if (input.key.epoch < 10) ExpectQuotas(input, drawn.indices);
    for (size_t p = 0; p < drawn.indices.size(); ++p) {
      ++counts[drawn.indices[p]];
      q[drawn.indices[p]] = drawn.probabilities[p];
    }
    EXPECT_EQ((*plan)->traits().unbiased_over, UnbiasedOver::kEpoch);
  }
  EXPECT_NEAR(std::accumulate(q.begin(), q.end(), 0.0), 1, 1e-9);
  // Counts of strata hardly vary, so a statistic of 49 degrees of freedom would be too small: it is
  // that of the members inside their strata, 47. False alarms: 1e-6 a side.
  const ChiSquare chi2 = Pearson(counts, q);
  EXPECT_LT(chi2.value, ChiSquareLimit(47));
  EXPECT_GT(chi2.value, ChiSquareFloor(47));
}

TEST(QuotaPlanTest, AStoredPlanComesBackWithItsQuotas) {
  PlanInput input = Input({3, 40, 7}, Proportion::Kind::kEqual);
  input.spec.preference.kind = Preference::Kind::kScorePower;
  ASSERT_OK(ResolveSpec(&input.spec));
  const Scores scores(std::vector<float>(50, 2));
  input.columns.scores["loss"] = scores.view();
  const auto plan = BuildPlan(input);
  ASSERT_OK(plan);
  const std::string stored = (*plan)->Serialize();
  input.columns.scores.clear();
  const auto parsed = ParsePlan(input, stored);
  ASSERT_OK(parsed);
  EXPECT_EQ(DrawEpoch(**parsed).indices, DrawEpoch(**plan).indices);
}

}  // namespace
}  // namespace subset::sampling
