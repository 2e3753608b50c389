#include "sampling/group_weights.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Proportion::Kind;

constexpr double kAbsent = std::numeric_limits<double>::quiet_NaN();

Proportion Of(Kind kind, double eta = 1, double epsilon = 0, double adjustment = 0) {
  Proportion proportion;
  proportion.kind = kind;
  proportion.eta = eta;
  proportion.epsilon = epsilon;
  proportion.adjustment = adjustment;
  return proportion;
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t g = 0; g < expected.size(); ++g) EXPECT_NEAR(actual[g], expected[g], tolerance) << g;
}

TEST(GroupWeightsTest, TheyStartEqual) {
  for (const Kind kind : {Kind::kGroupDro, Kind::kDoremi, Kind::kOdm}) {
    ExpectNear(GroupWeights(4).Shares(kind), {.25, .25, .25, .25}, 1e-15);
  }
}

TEST(GroupWeightsTest, GroupDroIsTheExponentiatedGradient) {
  // By hand, with plain exponentials; the absent group keeps its last loss.
  const Proportion rule = Of(Kind::kGroupDro, .01, 0, 2);
  const std::vector<uint64_t> sizes = {100, 25, 4};
  const std::vector<std::vector<double>> messages = {
      {1, 2, 3}, {.5, kAbsent, 9}, {kAbsent, .1, kAbsent}};
  GroupWeights weights(3);
  std::vector<double> q(3, 1. / 3);
  std::vector<double> last(3);
  for (const auto& losses : messages) {
    double sum = 0;
    for (size_t g = 0; g < 3; ++g) {
      if (!std::isnan(losses[g])) last[g] = losses[g];
      sum += q[g] *= std::exp(.01 * (last[g] + 2 / std::sqrt(sizes[g])));
    }
    for (double& share : q) share /= sum;
    weights.Update(rule, losses, sizes);
    ExpectNear(weights.Shares(rule.kind), q, 1e-14);
  }
}

TEST(GroupWeightsTest, DoremiIsThePublishedStep) {
  GroupWeights weights(2);
  weights.Update(Of(Kind::kDoremi, 1, .001), {1, 0}, {1, 1});
  ExpectNear(weights.Shares(Kind::kDoremi), {.730828, .269172}, 5e-7);
  std::vector<double> sum = weights.Shares(Kind::kDoremi);
  weights.Update(Of(Kind::kDoremi, 1, .001), {kAbsent, .5}, {1, 1});
  const std::vector<double> second = weights.Shares(Kind::kDoremi);
  const double a = .730828 * std::exp(1);
  const double b = .269172 * std::exp(.5);
  ExpectNear(second, {.999 * a / (a + b) + .0005, .999 * b / (a + b) + .0005}, 1e-6);
  for (size_t g = 0; g < 2; ++g) sum[g] = (sum[g] + second[g]) / 2;
  ExpectNear(weights.MeanShares(), sum, 1e-15);
}

TEST(GroupWeightsTest, OdmIsThePublishedSequence) {
  const Proportion rule = Of(Kind::kOdm);
  GroupWeights weights(2);
  const std::vector<std::vector<double>> messages = {{4, kAbsent}, {kAbsent, 2}, {3, kAbsent}};
  const std::vector<double> expected = {.5, .508344, .532538};
  for (size_t t = 0; t < 3; ++t) {
    weights.Update(rule, messages[t], {1, 1});
    const std::vector<double> shares = weights.Shares(rule.kind);
    ExpectNear(shares, {expected[t], 1 - expected[t]}, 5e-7);
  }
}

TEST(GroupWeightsTest, SharesSumToOneAndStayFiniteWhateverComes) {
  std::mt19937_64 random(1);
  const double largest = std::numeric_limits<float>::max();
  for (const Kind kind : {Kind::kGroupDro, Kind::kDoremi, Kind::kOdm}) {
    GroupWeights weights(5);
    for (int message = 0; message < 2000; ++message) {
      std::vector<double> losses(5);
      for (double& loss : losses) {
        switch (random() % 6) {
          case 0:
            loss = kAbsent;
            break;
          case 1:
            loss = random() % 20 == 0 ? largest : std::numeric_limits<double>::infinity();
            break;
          default:
            loss = std::exponential_distribution<>()(random);
        }
      }
      weights.Update(Of(kind, 1000, kind == Kind::kDoremi ? .01 : 0, 1e6), losses,
                     {0, 1, 10, 100, 1000});
      const std::vector<double> shares = weights.Shares(kind);
      double sum = 0;
      for (const double share : shares) {
        ASSERT_TRUE(share >= 0 && share <= 1) << message;
        sum += share;
      }
      ASSERT_NEAR(sum, 1, 1e-12);
    }
  }
}

TEST(GroupWeightsTest, AMessageWithoutALossChangesNothing) {
  for (const Kind kind : {Kind::kGroupDro, Kind::kDoremi, Kind::kOdm}) {
    GroupWeights weights(2);
    weights.Update(Of(kind), {1, 2}, {1, 1});
    const std::string before = weights.Serialize();
    weights.Update(Of(kind), {kAbsent, kAbsent}, {1, 1});
    EXPECT_EQ(weights.Serialize(), before);
    EXPECT_EQ(weights.batches(), 1);
  }
}

TEST(GroupWeightsTest, AWeightComesBackFromFarBelowTheSmallestDouble) {
  GroupWeights weights(2);
  for (int i = 0; i < 100; ++i) weights.Update(Of(Kind::kGroupDro, 100), {1, 0}, {1, 1});
  EXPECT_EQ(weights.Shares(Kind::kGroupDro)[1], 0);
  for (int i = 0; i < 100; ++i) weights.Update(Of(Kind::kGroupDro, 100), {0, 1}, {1, 1});
  ExpectNear(weights.Shares(Kind::kGroupDro), {.5, .5}, 1e-9);
}

TEST(GroupWeightsTest, StoredWeightsGoOnAsTheyWereAndDamageIsFound) {
  GroupWeights weights(3);
  for (const Kind kind : {Kind::kGroupDro, Kind::kOdm, Kind::kDoremi}) {
    weights.Update(Of(kind, 1, .1), {1, kAbsent, 3}, {1, 2, 3});
  }
  const std::string bytes = weights.Serialize();
  auto parsed = GroupWeights::Parse(bytes, 3);
  ASSERT_OK(parsed);
  parsed->Update(Of(Kind::kOdm), {kAbsent, 1, kAbsent}, {1, 2, 3});
  weights.Update(Of(Kind::kOdm), {kAbsent, 1, kAbsent}, {1, 2, 3});
  EXPECT_EQ(parsed->Serialize(), weights.Serialize());
  EXPECT_THAT(GroupWeights::Parse(bytes, 2).status(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(GroupWeights::Parse(bytes, 4).status(), StatusIs(absl::StatusCode::kDataLoss));
  for (size_t k = 0; k < bytes.size(); ++k) {
    std::string damaged = bytes;
    damaged[k] ^= 1;
    EXPECT_THAT(GroupWeights::Parse(damaged, 3).status(), StatusIs(absl::StatusCode::kDataLoss));
  }
}

}  // namespace
}  // namespace subset::sampling
