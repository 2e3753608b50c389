// Draws whose positions are written out, as plans: laws, weights, traits.

#include "sampling/list_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "sampling/bags.h"
#include "sampling/rounds.h"
#include "tests/sampling/list_plan_testing.h"

namespace subset::sampling {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using Kind = Draw::Kind;

TEST(RoundsPlanTest, AnEpochIsTheSliceOfItsRoundWithConstantTraits) {
  ListInput input(Kind::kRounds, 10);
  input.input.spec.draw.fraction = .3;
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    EXPECT_EQ(DrawEpoch(*plan).indices, RoundSlice(input.input.key, 10, 3, epoch));
    EXPECT_EQ(plan->traits().probability, .3);
    EXPECT_EQ(plan->traits().weight, 1.0f);
    EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
    EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kInclusionEpoch);
    EXPECT_EQ(plan->traits().effective_sample_ratio, 1);
    EXPECT_THAT(ExpectedOf(*plan, 10), Each(.3));
    EXPECT_EQ(plan->Serialize(), "");
  }
}

TEST(RoundsPlanTest, NoWholeSampleARoundIsRefused) {
  ListInput input(Kind::kRounds, 10);
  input.input.spec.draw.fraction = .09;
  const auto plan = input.TryBuild();
  EXPECT_THAT(plan.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("draw.fraction 0.09 of 10 samples is 0")));
  EXPECT_EQ(ErrorReason(plan.status()), "NOTHING_TO_DRAW");
}

TEST(BootstrapPlanTest, AllEpochsHoldTheSameBagInAnotherOrder) {
  ListInput input(Kind::kBootstrap, 1000);
  input.input.spec.draw.bag = 2;
  const auto first = DrawEpoch(*input.Epoch(0).Build()).indices;
  const auto second = DrawEpoch(*input.Epoch(1).Build()).indices;
  EXPECT_NE(first, second);
  EXPECT_EQ(CountsOf(first, 1000), CountsOf(second, 1000));
  const auto counts = BagCounts(input.input, input.population());
  EXPECT_EQ(CountsOf(first, 1000), std::vector<uint64_t>(counts.begin(), counts.end()));
  const auto plan = input.Build();
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_EQ(plan->traits().probability, 1.0);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kExpectedCount);
  EXPECT_EQ(plan->traits().num_positions, 1000);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);  // a run sees one bag
}

TEST(BootstrapPlanTest, WeightedBagsAreUnbiasedOverBags) {
  // The mean of f over 3,000 bags, each weighed by its size, for balanced strata and the natural
  // target; f is below 2, and 5.5 of its standard errors are a false alarm in 3e7.
  for (const auto form : {Draw::BootstrapForm::kMultinomial, Draw::BootstrapForm::kPoisson,
                          Draw::BootstrapForm::kBayesian}) {
    ListInput input(Kind::kBootstrap, 60);
    input.Strata({40, 15, 5}, form == Draw::BootstrapForm::kBayesian ? Proportion::Kind::kNatural
                                                                     : Proportion::Kind::kEqual);
    input.input.spec.draw.bootstrap = form;
    input.input.spec.weight.target = Weight::Target::kNatural;
    double sum = 0;
    double squares = 0;
    constexpr int kBags = 3000;
    for (uint32_t bag = 0; bag < kBags; ++bag) {
      input.input.spec.draw.bag = bag;
      const Drawn drawn = DrawEpoch(*input.Build());
      double mean = 0;
      for (size_t p = 0; p < drawn.indices.size(); ++p) {
        mean += drawn.weights[p] * std::sin(drawn.indices[p] / 9.);
      }
      mean /= static_cast<double>(drawn.indices.size());
      sum += mean;
      squares += mean * mean;
    }
    double exact = 0;
    for (int i = 0; i < 60; ++i) exact += std::sin(i / 9.) / 60;
    const double mean = sum / kBags;
    EXPECT_NEAR(mean, exact, 5.5 * std::sqrt((squares / kBags - mean * mean) / kBags));
  }
}

TEST(BootstrapPlanTest, APoissonBagIsWeighedByItsRealisedSize) {
  ListInput input(Kind::kBootstrap, 200);
  input.Strata({150, 50}, Proportion::Kind::kEqual);
  input.input.spec.draw.bootstrap = Draw::BootstrapForm::kPoisson;
  input.input.spec.weight.target = Weight::Target::kNatural;
  const auto plan = input.Build();
  const auto mu = ExpectedOf(*plan, 200);
  EXPECT_NEAR(mu[0], 100. / 150, 1e-12);
  EXPECT_NEAR(mu[199], 2, 1e-12);
  EXPECT_NE(plan->traits().num_positions, 200);
  ExpectExactWeights(*plan, std::vector<double>(200, 1. / 200),
                     static_cast<double>(plan->traits().num_positions));
}

TEST(BootstrapPlanTest, BayesianWeightsAreExponentialWithMeanOne) {
  ListInput input(Kind::kBootstrap, 20000);
  input.input.spec.draw.bootstrap = Draw::BootstrapForm::kBayesian;
  const auto plan = input.Build();
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(CountsOf(drawn.indices, 20000), std::vector<uint64_t>(20000, 1));
  EXPECT_EQ(plan->traits().probability, 1.0);
  double sum = 0;
  std::vector<uint64_t> cells(20);
  for (const float w : drawn.weights) {
    sum += w;
    // Exp(1) maps to uniform; the scale to mean 1 moves it by less than a percent of a cell.
    ++cells[std::min<size_t>(19, static_cast<size_t>(20 * (1 - std::exp(-w))))];
  }
  EXPECT_NEAR(sum / 20000, 1, 1e-6);
  const ChiSquare chi = Pearson(cells, std::vector<double>(20, .05));
  EXPECT_LT(chi.value, ChiSquareLimit(chi.df));  // false alarms below 1e-6
  // The same weights in every epoch.
  std::map<uint32_t, float> weight_of;
  for (size_t p = 0; p < 20000; ++p) weight_of[drawn.indices[p]] = drawn.weights[p];
  const Drawn next = DrawEpoch(*input.Epoch(1).Build());
  for (size_t p = 0; p < 20000; ++p) ASSERT_EQ(next.weights[p], weight_of[next.indices[p]]);
}

// Times that run against the indices.
ListInput BlocksInput(Draw::BlockForm form, const std::vector<double>& times, uint64_t length,
                      double fraction = 1) {
  ListInput input(Kind::kBlocks, times.size());
  input.Column("time", ColumnView::Type::kFloat64, times);
  input.input.spec.draw.blocks = form;
  input.input.spec.draw.block_column = "time";
  input.input.spec.draw.block_length = length;
  input.input.spec.draw.fraction = fraction;
  return input;
}

TEST(BlocksPlanTest, MovingBlocksWeighTheEndsMore) {
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) times.push_back(-i);  // sample 9 is the oldest
  ListInput input = BlocksInput(Draw::BlockForm::kMoving, times, 3, .3);
  const auto plan = input.Build();
  const std::vector<double> oracle = {.125, .25, .375, .375, .375, .375, .375, .375, .25, .125};
  EXPECT_EQ(ExpectedOf(*plan, 10), oracle);
  ExpectExactWeights(*plan, std::vector<double>(10, .1), 3);
  const auto indices = SetOf(DrawEpoch(*plan).indices);
  EXPECT_EQ(*indices.rbegin() - *indices.begin(), 2);  // consecutive in time
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  EXPECT_EQ(plan->traits().probability_kind, ProbabilityKind::kExpectedCount);
}

TEST(BlocksPlanTest, FixedBlocksCoverEverythingOnceAndGapsNever) {
  std::vector<double> times;
  for (int i = 0; i < 12; ++i) times.push_back((i * 5) % 12);
  ListInput input = BlocksInput(Draw::BlockForm::kFixed, times, 4);
  auto plan = input.Build();
  EXPECT_EQ(CountsOf(DrawEpoch(*plan).indices, 12), std::vector<uint64_t>(12, 1));
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kBatch);
  EXPECT_EQ(plan->traits().weight, 1.0f);

  input.input.spec.draw.block_length = 2;
  input.input.spec.draw.block_gap = 1;
  plan = input.Build();
  const auto mu = ExpectedOf(*plan, 12);
  for (int i = 0; i < 12; ++i) EXPECT_EQ(mu[i], static_cast<int>(times[i]) % 3 == 2 ? 0 : 1);
  EXPECT_EQ(plan->traits().weight, 1.0f);  // for the samples outside gaps
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
}

TEST(BlocksPlanTest, EveryFormIsExpectedAsItComes) {
  std::vector<double> times;
  for (int i = 0; i < 10; ++i) times.push_back(i);
  for (const auto form : {Draw::BlockForm::kFixed, Draw::BlockForm::kMoving,
                          Draw::BlockForm::kCircular, Draw::BlockForm::kStationary}) {
    ListInput input = BlocksInput(form, times, 4, .4);
    std::vector<double> sum(10), squares(10);
    std::vector<double> mu;
    double estimate = 0;
    constexpr int kEpochs = 10000;
    for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
      const auto plan = input.Epoch(epoch).Build();
      mu = ExpectedOf(*plan, 10);
      const Drawn drawn = DrawEpoch(*plan);
      std::vector<double> counts(10);
      for (size_t p = 0; p < drawn.indices.size(); ++p) {
        ++counts[drawn.indices[p]];
        estimate += drawn.weights[p] * drawn.indices[p] / static_cast<double>(drawn.indices.size());
      }
      for (int i = 0; i < 10; ++i) {
        sum[i] += counts[i];
        squares[i] += counts[i] * counts[i];
      }
    }
    for (int i = 0; i < 10; ++i) {
      const double mean = sum[i] / kEpochs;
      const double error = std::sqrt((squares[i] / kEpochs - mean * mean) / kEpochs);
      EXPECT_NEAR(mean, mu[i], 5.5 * error + 1e-9);  // false alarms below 4e-8 each
    }
    // The weighted mean of f = i: its deviation in an epoch is below 9.
    EXPECT_NEAR(estimate / kEpochs, 4.5, 5.5 * 9 / std::sqrt(kEpochs));
  }
}

TEST(BlocksPlanTest, SamplesWithoutATimeAreInNoBlock) {
  std::vector<double> times = {3, NAN, 1, 2};
  ListInput input = BlocksInput(Draw::BlockForm::kFixed, times, 1);
  const auto plan = input.Build();
  EXPECT_EQ(SetOf(DrawEpoch(*plan).indices), (std::set<uint32_t>{0, 2, 3}));
  EXPECT_EQ(ExpectedOf(*plan, 4)[1], 0);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  times.assign(4, NAN);
  const auto none = BlocksInput(Draw::BlockForm::kFixed, times, 1).TryBuild();
  EXPECT_THAT(none.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("\"time\"")));
  EXPECT_EQ(ErrorReason(none.status()), "NOTHING_TO_DRAW");
}

TEST(BlocksPlanTest, LargeIntegerTimesKeepTheirOrder) {
  // Neighbours beyond 2^53, which doubles cannot tell apart, and negative ones.
  const int64_t base = int64_t{1} << 60;
  const std::vector<int64_t> times = {base + 3, base + 1, -5, base + 2, base};
  ListInput input(Kind::kBlocks, 5);
  input.Column("time", ColumnView::Type::kInt64, times);
  input.input.spec.draw.block_column = "time";
  input.input.spec.draw.block_length = 2;
  input.input.spec.draw.fraction = .4;
  // Blocks: {-5, 0}, {1, 2}, {3}.
  for (uint64_t epoch = 0; epoch < 20; ++epoch) {
    const auto set = SetOf(DrawEpoch(*input.Epoch(epoch).Build()).indices);
    EXPECT_THAT(set, testing::AnyOf(std::set<uint32_t>{2, 4}, std::set<uint32_t>{1, 3},
                                    std::set<uint32_t>{0}));
  }
}

TEST(BlocksPlanTest, EqualTimesHaveAnOrderOfTheSeedThatEpochsShare) {
  const std::vector<double> times(40, 1);
  ListInput input = BlocksInput(Draw::BlockForm::kFixed, times, 10, .25);
  std::set<std::set<uint32_t>> blocks;
  for (uint64_t epoch = 0; epoch < 60; ++epoch) {
    blocks.insert(SetOf(DrawEpoch(*input.Epoch(epoch).Build()).indices));
  }
  EXPECT_EQ(blocks.size(), 4);  // the same partition throughout
  EXPECT_EQ(blocks.count({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}), 0);
}

ListInput ProvidedInput(std::vector<uint32_t> indices, std::vector<double> expected = {}) {
  ListInput input(Kind::kProvided, 10);
  auto provided = std::make_shared<ProvidedEpoch>();
  provided->indices = std::move(indices);
  provided->expected = std::move(expected);
  input.input.provided = provided;
  return input;
}

TEST(ProvidedPlanTest, TheListIsDrawnInItsOrderAndCalledBiased) {
  const std::vector<uint32_t> list = {3, 1, 3, 9};
  const auto plan = ProvidedInput(list).Build();
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(drawn.indices, list);
  EXPECT_THAT(drawn.weights, Each(1.0f));
  EXPECT_THAT(drawn.probabilities, testing::ElementsAre(2, 1, 2, 1));
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kNothing);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  EXPECT_EQ(plan->traits().distinct_samples, 3);
  EXPECT_THAT(ExpectedOf(*plan, 10), testing::ElementsAre(0, 1, 0, 2, 0, 0, 0, 0, 0, 1));
}

TEST(ProvidedPlanTest, ProbabilitiesGiveWeightsThatAreUnbiasedOverTheEpoch) {
  ListInput input = ProvidedInput({3, 1}, {.5, .25});
  const auto plan = input.Build();
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_THAT(drawn.probabilities, testing::ElementsAre(.5, .25));
  EXPECT_FLOAT_EQ(drawn.weights[0], 2 * .1 / .5);
  EXPECT_FLOAT_EQ(drawn.weights[1], 2 * .1 / .25);
  EXPECT_EQ(plan->traits().unbiased_over, UnbiasedOver::kEpoch);
  input.Strata({2, 8}).input.spec.weight.target = Weight::Target::kBalanced;
  const Drawn balanced = DrawEpoch(*input.Build());
  EXPECT_FLOAT_EQ(balanced.weights[0], 2 * (1. / 16) / .5);
  EXPECT_FLOAT_EQ(balanced.weights[1], 2 * (1. / 4) / .25);
}

TEST(ListPlanTest, BuildPlanGivesEveryKindAndParsePlanGivesItBack) {
  std::vector<double> times(60);
  std::iota(times.begin(), times.end(), 0.0);
  for (const Kind kind : {Kind::kSystematic, Kind::kIndependent, Kind::kRounds, Kind::kBootstrap,
                          Kind::kBlocks, Kind::kProvided}) {
    ListInput input(kind, 60);
    SamplerSpec& spec = input.input.spec;
    if (kind == Kind::kSystematic || kind == Kind::kIndependent) input.Prefer(Ramp(60));
    if (kind == Kind::kBlocks) {
      input.Column("time", ColumnView::Type::kFloat64, times);
      spec.draw.block_column = "time";
      spec.draw.block_length = 7;
    }
    if (kind == Kind::kProvided) {
      auto provided = std::make_shared<ProvidedEpoch>();
      provided->indices = {1, 2, 3};
      input.input.provided = provided;
    } else {
      spec.draw.fraction = .5;
    }
    ASSERT_OK(ResolveSpec(&spec));
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input.input));
    const Drawn drawn = DrawEpoch(*plan);
    EXPECT_GT(drawn.indices.size(), 0);
    PlanInput bare = input.input;
    bare.columns.scores.clear();
    bare.provided = nullptr;
    ASSERT_OK_AND_ASSIGN(const auto again, ParsePlan(bare, plan->Serialize()));
    EXPECT_EQ(DrawEpoch(*again).indices, drawn.indices);
    EXPECT_EQ(ExpectedOf(*again, 60), ExpectedOf(*plan, 60));
  }
}

TEST(ListPlanTest, ASampleOutsideThePopulationIsNeverDrawnOrExpected) {
  // Every third sample, in two strata.
  auto strata = std::make_shared<Strata>();
  strata->values = {0, 1};
  strata->offsets = {0, 14, 20};
  strata->members = HugeArray<uint32_t>(20);
  for (uint32_t k = 0; k < 20; ++k) strata->members[k] = 3 * k;
  const Population population = {60, strata};
  std::vector<double> times(60);
  std::iota(times.begin(), times.end(), 0.0);
  for (const Kind kind :
       {Kind::kSystematic, Kind::kIndependent, Kind::kRounds, Kind::kBootstrap, Kind::kBlocks}) {
    ListInput input(kind, 60);
    SamplerSpec& spec = input.input.spec;
    if (kind == Kind::kBlocks) {
      input.Column("time", ColumnView::Type::kFloat64, times);
      spec.draw.block_column = "time";
      spec.draw.block_length = 3;
    }
    spec.proportion.column = "label";
    spec.draw.fraction = .5;
    ASSERT_OK(ResolveSpec(&spec));
    input.input.population = population;
    ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input.input));
    for (const uint32_t i : DrawEpoch(*plan).indices) ASSERT_EQ(i % 3, 0);
    const auto mu = ExpectedOf(*plan, 60);
    for (uint32_t i = 0; i < 60; ++i) ASSERT_EQ(mu[i] > 0, i % 3 == 0);
    // Of 7 blocks, the last one shorter, 4 are drawn.
    EXPECT_NEAR(Sum(mu), kind == Kind::kBlocks ? 20 * 4. / 7 : 10, 1e-9);
    // w = M r / mu with r = 1/20 over the population.
    const Drawn drawn = DrawEpoch(*plan);
    for (size_t p = 0; p < drawn.indices.size(); ++p) {
      const double slots = static_cast<double>(drawn.indices.size());
      ASSERT_FLOAT_EQ(drawn.weights[p], slots / 20 / mu[drawn.indices[p]]);
    }
  }
}

TEST(ProvidedPlanTest, WhatIsNotThereOrCannotBeIsRefused) {
  ListInput missing(Kind::kProvided, 10);
  const auto plan = missing.Epoch(4).TryBuild();
  EXPECT_THAT(plan.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                      HasSubstr("epoch 4 has not been provided")));
  EXPECT_EQ(ErrorReason(plan.status()), "EPOCH_NOT_PROVIDED");
  const auto refused = [](std::vector<uint32_t> indices, std::vector<double> expected,
                          const std::string& text) {
    EXPECT_THAT(ProvidedInput(std::move(indices), std::move(expected)).TryBuild().status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text)));
  };
  refused({}, {}, "indices has 0 entries, outside [1, 4294967296]");
  refused({1, 10}, {}, "indices[1] 10 is outside [0, 10)");
  refused({1, 2}, {1}, "expected has 1 entries, but indices has 2");
  refused({1, 2}, {1, 0}, "expected[1] 0 is outside [1e-28, 1e+28]");
  refused({1}, {NAN}, "expected[0] nan is outside [1e-28, 1e+28]");
  refused({1}, {INFINITY}, "expected[0] inf is outside [1e-28, 1e+28]");
}

}  // namespace
}  // namespace subset::sampling
