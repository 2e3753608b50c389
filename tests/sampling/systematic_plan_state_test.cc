// The stored form of systematic plans.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "sampling/systematic_plan.h"
#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using Kind = Draw::Kind;

ListInput Preferred() {
  ListInput input(Kind::kSystematic, 60);
  std::vector<float> scores;
  for (int i = 0; i < 60; ++i) scores.push_back(i % 9 == 4 ? NAN : static_cast<float>(1 + i % 7));
  scores[7] = 200;
  input.Strata({40, 15, 5}, Proportion::Kind::kEqual).Prefer(scores);
  input.input.spec.draw.fraction = .35;  // 21 of them, so that targets are rounded
  return input;
}

TEST(SystematicPlanStateTest, AStoredPlanComesBackWithoutItsScores) {
  ListInput input = Preferred();
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    for (const double floor : {0., .2}) {
      for (const double fraction : {.35, .9, 1.}) {
        input.Epoch(epoch).input.spec.guard.uniform_floor = floor;
        input.input.spec.draw.fraction = fraction;
        const auto plan = input.Build();
        PlanInput bare = input.input;
        ASSERT_OK(ResolveSpec(&bare.spec));
        bare.columns = {};
        ASSERT_OK_AND_ASSIGN(const auto again, ParsePlan(bare, plan->Serialize()));
        ExpectSamePlan(*plan, *again, bare.num_samples);
        EXPECT_EQ(again->Serialize(), plan->Serialize());
      }
    }
  }
}

TEST(SystematicPlanStateTest, TwoBytesASample) {
  ListInput input(Kind::kSystematic, 100000);
  input.Prefer(Ramp(100000)).input.spec.draw.fraction = .5;
  EXPECT_LT(input.Build()->Serialize().size(), 200100);
}

TEST(SystematicPlanStateTest, GoldenBytes) {
  ListInput input(Kind::kSystematic, 5);
  input.Prefer({1, 2, 3, 4, 10}).input.spec.draw.fraction = .6;
  EXPECT_EQ(absl::BytesToHexString(input.Build()->Serialize()),
            "31305953000000000500000000000000000000000000000005000000000000000100000000000000"
            "000000000000000000600070006800500084bf31861190ed8a07");
}

TEST(SystematicPlanStateTest, AnyDamageIsDataLoss) {
  ListInput input = Preferred();
  const std::string bytes = input.Build()->Serialize();
  const Population population = input.population();
  for (size_t k = 0; k < bytes.size(); ++k) {
    std::string damaged = bytes;
    damaged[k] = static_cast<char>(damaged[k] ^ 0x40);
    ASSERT_THAT(ParseSystematicPlan(input.input, population, damaged).status(),
                StatusIs(absl::StatusCode::kDataLoss));
    ASSERT_THAT(ParseSystematicPlan(input.input, population, bytes.substr(0, k)).status(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  ASSERT_OK(ParseSystematicPlan(input.input, population, bytes));
  PlanInput other = input.input;
  other.key.epoch = 5;
  EXPECT_THAT(ParseSystematicPlan(other, population, bytes), StatusIs(absl::StatusCode::kDataLoss));
  other = input.input;
  other.num_samples = 61;
  EXPECT_THAT(ParseSystematicPlan(other, population, bytes), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(ParseSystematicPlan(input.input, {60, nullptr}, bytes),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(SystematicPlanStateTest, PositionsMayBeCutIntoCallsAnywhere) {
  ListInput input(Kind::kSystematic, 3000);
  input.Strata({2000, 900, 100}, Proportion::Kind::kEqual).Prefer(Ramp(3000));
  input.input.spec.draw.fraction = .4;
  const auto plan = input.Build();
  const Drawn whole = DrawEpoch(*plan);
  for (size_t first = 0; first < 1200; first += 17) {
    for (size_t size = 1; first + size <= 1200; size += 1 + size / 2) {
      Drawn part(size);
      plan->Draw(first, absl::MakeSpan(part.indices), absl::MakeSpan(part.probabilities),
                 absl::MakeSpan(part.weights));
      for (size_t k = 0; k < size; ++k) {
        ASSERT_EQ(part.indices[k], whole.indices[first + k]);
        ASSERT_EQ(part.probabilities[k], whole.probabilities[first + k]);
        ASSERT_EQ(part.weights[k], whole.weights[first + k]);
      }
    }
  }
}

}  // namespace
}  // namespace subset::sampling
