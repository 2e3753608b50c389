// Epochs of all samples that pass a filter over scores, which are not written out.

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::HasSubstr;

struct Filtered {
  explicit Filtered(uint64_t n) : losses(Losses(n)) {
    input.num_samples = n;
    input.batch_size = 7;
    input.key = {3, 1, 5};
    input.columns.scores["loss"] = losses.view();
    Predicate quantile;
    quantile.score = "loss";
    quantile.kind = Predicate::Kind::kQuantile;
    quantile.low = .2;
    input.spec.eligible.all = {quantile};
    input.spec.draw.kind = Draw::Kind::kEpoch;
  }

  // Some have none.
  static std::vector<float> Losses(uint64_t n) {
    std::mt19937_64 random(n);
    std::vector<float> values;
    for (uint64_t i = 0; i < n; ++i) {
      values.push_back(random() % 7 == 0 ? NAN : static_cast<float>(random() % 1000));
    }
    return values;
  }

  Scores losses;
  PlanInput input;
};

const std::vector<std::pair<std::string, std::function<void(SamplerSpec*)>>>& Specs() {
  static const auto& specs =
      *new std::vector<std::pair<std::string, std::function<void(SamplerSpec*)>>>{
          {"all", [](SamplerSpec*) {}},
          {"a part", [](SamplerSpec* spec) { spec->draw.fraction = .3; }},
          {"more than once", [](SamplerSpec* spec) { spec->draw.fraction = 2.4; }},
          {"weighted", [](SamplerSpec* spec) { spec->weight.target = Weight::Target::kNatural; }},
          {"self-normalised",
           [](SamplerSpec* spec) {
             spec->weight.target = Weight::Target::kNatural;
             spec->weight.normalise = Weight::Normalise::kSelf;
           }},
          {"balanced, without strata",
           [](SamplerSpec* spec) { spec->weight.target = Weight::Target::kBalanced; }},
          {"unscored go, too",
           [](SamplerSpec* spec) { spec->eligible.all[0].missing = Predicate::Missing::kDrop; }},
      };
  return specs;
}

void ExpectSame(const EpochPlan& a, const EpochPlan& b, uint64_t n) {
  const Drawn drawn = DrawEpoch(a);
  EXPECT_TRUE(drawn.indices == DrawEpoch(b).indices);
  EXPECT_TRUE(drawn.probabilities == DrawEpoch(b).probabilities);
  EXPECT_TRUE(drawn.weights == DrawEpoch(b).weights);
  EXPECT_TRUE(a.Serialize() == b.Serialize());
  EXPECT_EQ(a.traits().distinct_samples, b.traits().distinct_samples);
  EXPECT_EQ(a.traits().effective_sample_ratio, b.traits().effective_sample_ratio);
  EXPECT_EQ(a.traits().probability_kind, b.traits().probability_kind);
  EXPECT_EQ(a.traits().unbiased_over, b.traits().unbiased_over);
  std::vector<double> expected(n), other(n);
  a.Expect(absl::MakeSpan(expected));
  b.Expect(absl::MakeSpan(other));
  EXPECT_TRUE(expected == other);
}

TEST(FilteredPlanTest, ItIsThatOfTheListedPopulationAndComesBackFromWhatIsStored) {
  for (const uint64_t n : {1, 5, 64, 1000, 70000}) {
    for (const auto& [name, set] : Specs()) {
      SCOPED_TRACE(testing::Message() << name << ", " << n);
      Filtered f(n);
      set(&f.input.spec);
      PlanInput listed = f.input;
      ASSERT_OK_AND_ASSIGN(listed.population, BuildPopulation(f.input));
      const auto expected = BuildPlan(listed);
      const auto plan = BuildPlan(f.input);
      ASSERT_EQ(plan.status(), expected.status());
      if (!plan.ok()) {  // nothing, or a part of little
        EXPECT_LE(n, 5);
        continue;
      }
      EXPECT_GT(DrawEpoch(**plan).indices.size(), 0);
      ExpectSame(**plan, **expected, n);
      PlanInput later = f.input;
      later.columns.scores.clear();
      ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(later, (*plan)->Serialize()));
      ExpectSame(*parsed, **plan, n);
    }
  }
}

TEST(FilteredPlanTest, WhatLeavesNothingIsRefused) {
  Filtered f(100);
  f.input.spec.eligible.all[0].kind = Predicate::Kind::kRange;
  f.input.spec.eligible.all[0].minimum = 5000;
  f.input.spec.eligible.all[0].missing = Predicate::Missing::kDrop;
  EXPECT_THAT(BuildPlan(f.input).status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                    HasSubstr("no sample passes the filter")));
}

TEST(FilteredPlanTest, DamageIsFound) {
  const Filtered f(100);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(f.input));
  const std::string bytes = plan->Serialize();
  ASSERT_GT(bytes.size(), 100 / 8);
  for (size_t k = 0; k < bytes.size(); ++k) {
    std::string damaged = bytes;
    damaged[k] ^= 1;
    EXPECT_THAT(ParsePlan(f.input, damaged).status(), StatusIs(absl::StatusCode::kDataLoss)) << k;
    EXPECT_THAT(ParsePlan(f.input, bytes.substr(0, k)).status(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  PlanInput other_epoch = f.input;
  ++other_epoch.key.epoch;
  EXPECT_THAT(ParsePlan(other_epoch, bytes).status(), StatusIs(absl::StatusCode::kDataLoss));
}

}  // namespace
}  // namespace subset::sampling
