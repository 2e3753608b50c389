// Repeat-factor sampling against its formula and the obvious slow way.

#include "sampling/repeat_factor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/eligible.h"
#include "sampling/population.h"
#include "tests/sampling/list_plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Sets = std::vector<std::vector<uint32_t>>;

// A sampler by the column "classes", resolved.
class Repeats {
 public:
  Repeats(Sets sets, double threshold) : sets_(std::move(sets)), column_(sets_) {
    input.num_samples = sets_.size();
    input.key = {3, 1, 0};
    input.batch_size = 8;
    input.columns.label_sets["classes"] = column_.view();
    input.spec.preference.kind = Preference::Kind::kRepeatFactor;
    input.spec.preference.column = "classes";
    input.spec.preference.threshold = threshold;
  }

  std::unique_ptr<EpochPlan> Build(uint64_t epoch = 0) {
    EXPECT_OK(ResolveSpec(&input.spec));
    input.key.epoch = epoch;
    auto plan = BuildPlan(input);
    EXPECT_OK(plan);
    return *std::move(plan);
  }

  // r_i of the samples for which eligible(i), by the words of the paper; 0 of the others.
  template <typename Eligible>
  std::vector<double> Expected(Eligible eligible) const {
    std::map<uint32_t, double> images;
    double n = 0;
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (!eligible(i)) continue;
      ++n;
      for (const uint32_t c : sets_[i]) ++images[c];
    }
    std::vector<double> r(sets_.size());
    for (size_t i = 0; i < sets_.size(); ++i) {
      if (!eligible(i)) continue;
      r[i] = 1;
      for (const uint32_t c : sets_[i]) {
        const double f = images[c] / n;
        r[i] = std::max(r[i], std::sqrt(input.spec.preference.threshold / f));
      }
    }
    return r;
  }
  std::vector<double> Expected() const {
    return Expected([](size_t) { return true; });
  }

  PlanInput input;

 private:
  const Sets sets_;
  const LabelSets column_;
};

// Images with a few labels each, label c ever rarer.
Sets LongTail(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  Sets sets(n);
  for (auto& each : sets) {
    std::set<uint32_t> labels;
    for (uint64_t k = random() % 4; k > 0; --k) {
      const double u = static_cast<double>(random() >> 11) * 0x1p-53;
      const auto rank = static_cast<uint32_t>(std::pow(200, u));
      labels.insert(rank > 150 ? rank * 20000000 : rank);  // some are large numbers
    }
    each.assign(labels.begin(), labels.end());
  }
  return sets;
}

TEST(RepeatFactorTest, FactorsAreThoseOfThePaper) {
  // f: label 1 in 8 of 8, label 2 in 2 of 8, label 9 in 1 of 8.
  Repeats few({{1}, {1}, {1, 2}, {1, 2, 9}, {1}, {1}, {1}, {1}}, .5);
  const auto r = RepeatFactors(few.input, {8, nullptr});
  EXPECT_THAT(std::vector<double>(r.begin() + 4, r.end()), Each(1));
  EXPECT_EQ(r[2], std::sqrt(.5 / .25));
  EXPECT_EQ(r[3], 2);  // its rarest label counts: sqrt(.5 / .125)
  Repeats empty({{}, {}, {5}}, 1);
  EXPECT_EQ(RepeatFactors(empty.input, {3, nullptr}),
            (std::vector<double>{1, 1, std::sqrt(1 / (1. / 3))}));
  Repeats many(LongTail(70000, 1), .01);  // two chunks
  EXPECT_EQ(RepeatFactors(many.input, {70000, nullptr}), many.Expected());
}

TEST(RepeatFactorTest, SharesAreThoseOfTheEligibleSamples) {
  Repeats data(LongTail(3000, 2), .05);
  Predicate predicate;
  predicate.column = "classes";
  predicate.kind = Predicate::Kind::kNoneOf;
  predicate.values = {1, 2};
  data.input.spec.eligible.all = {predicate};
  const auto plan = data.Build();
  const SampleSet eligible = *EligibleSamples(data.input);
  EXPECT_LT(eligible.Count(), 2500);
  const auto expected = data.Expected([&](size_t i) { return eligible.Contains(i); });
  const auto mu = ExpectedOf(*plan, 3000);
  for (size_t i = 0; i < 3000; ++i) ASSERT_NEAR(mu[i], expected[i], 1e-9);
}

TEST(RepeatFactorTest, AnEpochHoldsEachSampleRoundedDownOrUp) {
  Repeats data(LongTail(5000, 3), .02);
  const auto r = data.Expected();
  const double sum = std::accumulate(r.begin(), r.end(), 0.0);
  ASSERT_GT(sum, 5500);
  std::set<uint64_t> lengths;
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const auto plan = data.Build(epoch);
    const PlanTraits& traits = plan->traits();
    EXPECT_LT(std::abs(static_cast<double>(traits.num_positions) - sum), 1);
    lengths.insert(traits.num_positions);
    EXPECT_EQ(traits.distinct_samples, 5000);
    EXPECT_EQ(traits.probability_kind, ProbabilityKind::kExpectedCount);
    EXPECT_EQ(traits.unbiased_over, UnbiasedOver::kBatch);
    EXPECT_EQ(plan->Serialize(), "");
    const auto counts = CountsOf(DrawEpoch(*plan).indices, 5000);
    for (size_t i = 0; i < 5000; ++i) {
      ASSERT_GE(static_cast<double>(counts[i]), std::floor(r[i]));
      ASSERT_LE(static_cast<double>(counts[i]), std::ceil(r[i]));
    }
    // w = M r / mu with the M of this epoch, so that its weighted sum is the mean of all.
    ExpectExactWeights(*plan, std::vector<double>(5000, 1. / 5000),
                       static_cast<double>(traits.num_positions));
  }
  EXPECT_LE(lengths.size(), 2);  // rounded down here, up there
}

TEST(RepeatFactorTest, WhoIsRoundedUpIsFairAndIndependentOfTheIndex) {
  // 2,000 epochs of 40 samples, all with the fraction f of one more: a sample is rounded up a
  // binomial number of times, and two neighbours together as often as any two of a random set.
  constexpr int kEpochs = 2000;
  Sets sets(40);
  for (uint32_t i = 0; i < 40; ++i) sets[i] = {i / 10};  // f = 1/4
  Repeats data(sets, .6);
  const double f = std::sqrt(.6 / .25) - 1;  // 0.549
  std::vector<uint64_t> up(40);
  uint64_t together = 0;
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const auto counts = CountsOf(DrawEpoch(*data.Build(epoch)).indices, 40);
    for (size_t i = 0; i < 40; ++i) up[i] += counts[i] == 2;
    together += counts[0] == 2 && counts[1] == 2;
  }
  // 40 two-sided tests, each with a false alarm rate of 1e-7 (5.33 standard deviations).
  const double deviation = std::sqrt(kEpochs * f * (1 - f));
  for (const uint64_t count : up)
    EXPECT_NEAR(static_cast<double>(count), kEpochs * f, 5.33 * deviation);
  // Of a set of k, which is 40 f rounded down or up: k (k - 1) / (40 39). 4.9 standard deviations
  // are a false alarm in 1e6.
  const double rest = 40 * f - std::floor(40 * f);
  const double pair = (40 * f * (40 * f - 1) + rest * (1 - rest)) / (40 * 39);
  EXPECT_NEAR(static_cast<double>(together), kEpochs * pair,
              4.9 * std::sqrt(kEpochs * pair * (1 - pair)));
}

TEST(RepeatFactorTest, ManyEpochsFitTheFactors) {
  // Counts over 300 epochs against 300 r_i: each sample's variance is 300 f (1 - f), so the sum of
  // squared scores over those with a fraction is chi-square but for the dependence through the
  // fixed length, which lowers it by less than one degree of freedom.
  constexpr int kEpochs = 300;
  Repeats data(LongTail(1000, 4), .05);
  const auto r = data.Expected();
  std::vector<double> counts(1000);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (const uint32_t i : DrawEpoch(*data.Build(epoch)).indices) ++counts[i];
  }
  ChiSquare chi;
  for (size_t i = 0; i < 1000; ++i) {
    const double f = r[i] - std::floor(r[i]);
    if (f < 1e-9) {
      ASSERT_EQ(counts[i], kEpochs * r[i]);
      continue;
    }
    const double off = counts[i] - kEpochs * r[i];
    chi.value += off * off / (kEpochs * f * (1 - f));
    ++chi.df;
  }
  ASSERT_GT(chi.df, 100);
  EXPECT_LT(chi.value, ChiSquareLimit(chi.df));  // false alarms below 1e-6
  EXPECT_GT(chi.value, ChiSquareFloor(chi.df - 1));
}

TEST(RepeatFactorTest, OtherDrawsTakeTheFactorForAPreference) {
  Repeats data(LongTail(2000, 5), .05);
  const auto r = data.Expected();
  const double sum = std::accumulate(r.begin(), r.end(), 0.0);
  data.input.spec.draw.kind = Draw::Kind::kWithReplacement;
  const auto plan = data.Build();
  EXPECT_EQ(plan->traits().num_positions, 2000);
  const auto mu = ExpectedOf(*plan, 2000);
  for (size_t i = 0; i < 2000; ++i) ASSERT_NEAR(mu[i] / (2000 * r[i] / sum), 1, 0x1p-11);  // leaves
  for (const auto kind : {Draw::Kind::kSystematic, Draw::Kind::kIndependent}) {
    Repeats part(LongTail(2000, 5), .05);
    part.input.spec.draw.kind = kind;
    part.input.spec.draw.fraction = .1;
    const auto pi = ExpectedOf(*part.Build(), 2000);
    const double tolerance = kind == Draw::Kind::kIndependent ? 1e-9 : 0x1p-11;  // leaves
    for (size_t i = 0; i < 2000; ++i) ASSERT_NEAR(pi[i] / (200 * r[i] / sum), 1, tolerance);
  }
}

TEST(RepeatFactorTest, StrataTakePartInTheWeightsOnly) {
  Repeats data(LongTail(1000, 6), .05);
  data.input.strata = StrataOf(LabelsWithCounts({900, 100})).value();
  data.input.spec.proportion.column = "label";
  data.input.spec.weight.target = Weight::Target::kBalanced;
  const auto plan = data.Build();
  const auto r = data.Expected();
  const auto mu = ExpectedOf(*plan, 1000);
  std::vector<double> target(1000, 1. / 1800);
  std::fill(target.begin() + 900, target.end(), 1. / 200);
  for (size_t i = 0; i < 1000; ++i) ASSERT_NEAR(mu[i], r[i], 1e-9);
  ExpectExactWeights(*plan, target, static_cast<double>(plan->traits().num_positions));
}

TEST(RepeatFactorTest, WithoutARareLabelAnEpochIsEverySampleOnce) {
  Repeats data(Sets(100, {4}), 1);
  const auto plan = data.Build();
  EXPECT_EQ(plan->traits().num_positions, 100);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_THAT(CountsOf(DrawEpoch(*plan).indices, 100), Each(1));
}

TEST(RepeatFactorTest, AnEpochThatWouldBeTooLongIsRefused) {
  Sets unique(100);
  for (uint32_t i = 0; i < 100; ++i) unique[i] = {i};
  Repeats data(unique, 1);  // r = 10
  ASSERT_OK(ResolveSpec(&data.input.spec));
  const auto plan = BuildPlan(data.input);
  EXPECT_THAT(plan, StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("threshold 1 makes an epoch of 1000 positions")));
  EXPECT_THAT(plan, ReasonIs("TOO_MANY_REPEATS"));
  data.input.spec.preference.threshold = .64;
  EXPECT_OK(BuildPlan(data.input));
}

TEST(RepeatFactorTest, WhatMakesNoSenseIsRefusedByFieldAndBound) {
  const auto refused = [](const char* field, const char* message, auto change) {
    SamplerSpec spec;
    spec.preference.kind = Preference::Kind::kRepeatFactor;
    spec.preference.column = "classes";
    spec.preference.threshold = .1;
    change(spec);
    const absl::Status status = ResolveSpec(&spec);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(StartsWith(field), HasSubstr(message))));
    EXPECT_THAT(status, FieldIs(field));
  };
  for (const double bad : {0., -1., 1.01, std::nan("")}) {
    refused("preference.repeat_factor.threshold", "is outside (0, 1]",
            [=](SamplerSpec& s) { s.preference.threshold = bad; });
  }
  refused("preference.column", "needs the column of the label sets",
          [](SamplerSpec& s) { s.preference.column = ""; });
  refused("preference.irreducible", "reads label sets",
          [](SamplerSpec& s) { s.preference.irreducible = "il"; });
  refused("guard.unscored", "repeat_factor reads no score",
          [](SamplerSpec& s) { s.guard.unscored = Guard::Unscored::kMean; });
  refused("guard.uniform_floor", "a floor needs draw.kind",
          [](SamplerSpec& s) { s.guard.uniform_floor = .1; });
  refused("draw.fraction", "the repeat factors set the length of an epoch",
          [](SamplerSpec& s) { s.draw.fraction = .5; });
  refused("draw.kind", "has no use for a preference",
          [](SamplerSpec& s) { s.draw.kind = Draw::Kind::kRounds; });
  refused("proportion.kind", "EPOCH by repeat_factor", [](SamplerSpec& s) {
    s.proportion.column = "label";
    s.proportion.kind = Proportion::Kind::kEqual;
  });
  refused("proportion.exact_quotas", "does not go with repeat_factor", [](SamplerSpec& s) {
    s.proportion.column = "label";
    s.proportion.exact_quotas = true;
  });
  refused("snapshot", "LIVE needs", [](SamplerSpec& s) { s.snapshot = Snapshot::kLive; });
}

}  // namespace
}  // namespace subset::sampling
