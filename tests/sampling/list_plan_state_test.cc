// The stored form of list plans, and what all of them have in common.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "sampling/list_plan.h"
#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using Kind = Draw::Kind;

ListInput Preferred(Kind kind, double fraction = .5) {
  ListInput input(kind, 60);
  std::vector<float> scores;
  for (int i = 0; i < 60; ++i) scores.push_back(i % 9 == 4 ? NAN : static_cast<float>(1 + i % 7));
  input.Strata({40, 15, 5}, Proportion::Kind::kEqual).Prefer(scores);
  input.input.spec.draw.fraction = fraction;
  return input;
}

ListInput Provided() {
  ListInput input(Kind::kProvided, 6);
  auto provided = std::make_shared<ProvidedEpoch>();
  provided->indices = {5, 0, 5};
  provided->expected = {1.5, .5, 1.5};
  input.input.provided = provided;
  return input;
}

TEST(ListPlanStateTest, AStoredPlanComesBackWithoutItsScores) {
  const auto check = [](ListInput input) {
    const auto plan = input.Build();
    PlanInput bare = input.input;
    bare.columns = {};
    bare.provided = nullptr;
    ASSERT_OK_AND_ASSIGN(const auto again, ParseListPlan(bare, plan->Serialize()));
    ExpectSamePlan(*plan, *again, bare.num_samples);
    EXPECT_EQ(again->Serialize(), plan->Serialize());
  };
  check(Preferred(Kind::kIndependent));
  check(Provided());
}

TEST(ListPlanStateTest, GoldenBytes) {
  EXPECT_EQ(absl::BytesToHexString(Provided().Build()->Serialize()),
            "3130504c020100000600000000000000000000000000000003000000000000000300000000000000"
            "03000000000000000200000000000000333333333333d33f00000000000000000500000000000000"
            "05000000000000000000f83f000000000000e03f000000000000f83fabaaaa3e0000803fabaaaa3e"
            "14ae0bb9be5fe191");
}

TEST(ListPlanStateTest, AnyDamageIsDataLoss) {
  ListInput input = Preferred(Kind::kIndependent);
  const std::string bytes = input.Build()->Serialize();
  for (size_t k = 0; k < bytes.size(); ++k) {
    std::string damaged = bytes;
    damaged[k] = static_cast<char>(damaged[k] ^ 0x40);
    ASSERT_THAT(ParseListPlan(input.input, damaged).status(),
                StatusIs(absl::StatusCode::kDataLoss));
    ASSERT_THAT(ParseListPlan(input.input, bytes.substr(0, k)).status(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  PlanInput other = input.input;
  other.key.epoch = 5;
  EXPECT_THAT(ParseListPlan(other, bytes).status(), StatusIs(absl::StatusCode::kDataLoss));
  other = input.input;
  other.num_samples = 61;
  EXPECT_THAT(ParseListPlan(other, bytes).status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ListPlanStateTest, PositionsMayBeCutIntoCallsAnywhere) {
  const auto plan = Preferred(Kind::kSystematic).Build();
  const Drawn whole = DrawEpoch(*plan);
  for (size_t first = 0; first < 30; ++first) {
    for (size_t size = 1; first + size <= 30; ++size) {
      Drawn part(size);
      plan->Draw(first, absl::MakeSpan(part.indices), {}, absl::MakeSpan(part.weights));
      for (size_t k = 0; k < size; ++k) {
        ASSERT_EQ(part.indices[k], whole.indices[first + k]);
        ASSERT_EQ(part.weights[k], whole.weights[first + k]);
      }
    }
  }
}

TEST(ListPlanWeightTest, BetaClipAndNormalisationComeInThatOrder) {
  ListInput input = Preferred(Kind::kSystematic);
  const Drawn exact = DrawEpoch(*input.Build());
  Weight& weight = input.input.spec.weight;
  weight.beta = .5;
  weight.clip = .9;
  const auto plan = input.Build();
  const Drawn clipped = DrawEpoch(*plan);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  weight.normalise = Weight::Normalise::kMaximum;
  const Drawn scaled = DrawEpoch(*input.Build());
  weight.normalise = Weight::Normalise::kSelf;
  input.input.batch_size = 8;
  ASSERT_OK(ResolveSpec(&input.input.spec));
  ASSERT_OK_AND_ASSIGN(const auto normalised, BuildPlan(input.input));
  const Drawn self = DrawEpoch(*normalised);
  for (size_t p = 0; p < 30; ++p) {
    const float w = std::min(.9f, std::sqrt(exact.weights[p]));
    EXPECT_NEAR(clipped.weights[p], w, 1e-6);
    EXPECT_NEAR(scaled.weights[p], w / .9, 1e-6);  // some sample reaches the clip
  }
  for (size_t first = 0; first < 30; first += 8) {
    double sum = 0;
    const size_t end = std::min<size_t>(30, first + 8);
    for (size_t p = first; p < end; ++p) sum += self.weights[p];
    EXPECT_NEAR(sum / static_cast<double>(end - first), 1, 1e-6);
  }
}

TEST(ListPlanWeightTest, AClipThatNoWeightReachesLeavesThemExact) {
  ListInput input = Preferred(Kind::kSystematic);
  input.input.spec.weight.clip = 1000;
  EXPECT_EQ(input.Build()->traits().unbiased_over, UnbiasedOver::kBatch);
}

TEST(ListPlanWeightTest, NoTargetIsUnbiasedOnlyWhereAllAreDrawnAlike) {
  ListInput input = Preferred(Kind::kSystematic);
  input.input.spec.weight.target = Weight::Target::kNone;
  auto plan = input.Build();
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  ListInput rounds(Kind::kRounds, 10);
  rounds.input.spec.weight.target = Weight::Target::kNone;
  EXPECT_EQ(rounds.Build()->traits().unbiased_over, UnbiasedOver::kBatch);
}

}  // namespace
}  // namespace subset::sampling
