#include "sampling/bags.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/plan_testing.h"

namespace subset::sampling {
namespace {

using Form = Draw::BootstrapForm;

PlanInput BagInput(Form form, uint64_t n, uint32_t bag = 0) {
  PlanInput input;
  input.spec.draw.kind = Draw::Kind::kBootstrap;
  input.spec.draw.bootstrap = form;
  input.spec.draw.bag = bag;
  input.num_samples = n;
  input.key = {5, 1, 0};
  return input;
}

std::vector<uint32_t> Counts(const PlanInput& input) {
  return BagCounts(input, {input.num_samples, input.strata});
}

uint64_t Absent(const std::vector<uint32_t>& counts) {
  return static_cast<uint64_t>(std::count(counts.begin(), counts.end(), 0u));
}

TEST(BagsTest, AMultinomialBagHoldsNAndLeavesOutAsManyAsTheClosedForm) {
  // Each of 400 bags of 1,000: the share left out has mean (1 - 1/N)^N = .367695 and standard
  // deviation sqrt((e^-1 - 2 e^-2) / N) = .0099; 5 of its standard errors: 6e-7.
  double share = 0;
  for (uint32_t bag = 0; bag < 400; ++bag) {
    const auto counts = Counts(BagInput(Form::kMultinomial, 1000, bag));
    ASSERT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 1000);
    share += static_cast<double>(Absent(counts)) / 1000;
  }
  EXPECT_NEAR(share / 400, .367695, 5 * .0099 / 20);
}

TEST(BagsTest, MultinomialCountsAreUniform) {
  const auto counts = Counts(BagInput(Form::kMultinomial, 100000));
  // Counts of counts against Binomial(N, 1/N): 7 cells.
  std::vector<uint64_t> seen(7);
  for (const uint32_t c : counts) ++seen[std::min<uint32_t>(c, 6)];
  std::vector<double> law;
  double p = std::exp(-1.0);
  double rest = 1;
  for (int c = 0; c < 6; ++c) {
    law.push_back(p);
    rest -= p;
    p /= c + 1;
  }
  law.push_back(rest);
  EXPECT_LT(Pearson(seen, law).value, 38.3);  // 6 degrees of freedom: 1e-6
}

TEST(BagsTest, PoissonCountsFollowTheirLawForSmallAndLargeMeans) {
  // Balanced strata: 99,000 of mean 1/2 each and 1,000 of mean 50, in pieces of at most 16.
  const std::vector<size_t> sizes = {99000, 1000};
  PlanInput input = BagInput(Form::kPoisson, 100000);
  const auto labels = LabelsWithCounts(sizes);
  input.strata = StrataOf(labels).value();
  input.spec.proportion.kind = Proportion::Kind::kEqual;
  input.spec.proportion.column = "label";
  const auto counts = Counts(input);
  const double means[] = {50000. / 99000, 50};
  size_t first = 0;
  for (int g = 0; g < 2; ++g) {
    std::vector<uint64_t> seen(200);
    for (size_t k = 0; k < sizes[g]; ++k) ++seen[std::min<uint32_t>(counts[first + k], 199)];
    first += sizes[g];
    std::vector<double> law;
    double p = std::exp(-means[g]);
    for (int c = 0; c < 200; ++c) {
      law.push_back(p);
      p *= means[g] / (c + 1);
    }
    const ChiSquare chi = Pearson(seen, law);
    // False alarms below 1e-6; from 6 degrees of freedom the limit errs to the safe side.
    EXPECT_LT(chi.value, std::max(38.3, ChiSquareLimit(chi.df))) << g;
  }
}

TEST(BagsTest, APoissonCountIsAFunctionOfSeedBagAndIndexAlone) {
  const auto of_1000 = Counts(BagInput(Form::kPoisson, 1000));
  const auto of_100 = Counts(BagInput(Form::kPoisson, 100));
  EXPECT_TRUE(std::equal(of_100.begin(), of_100.end(), of_1000.begin()));
}

TEST(BagsTest, TheBagIsTheSameInEveryEpochAndVersionAndAnotherForEachNumberAndSeed) {
  for (const Form form : {Form::kMultinomial, Form::kPoisson}) {
    PlanInput input = BagInput(form, 1000, 3);
    const auto bag = Counts(input);
    input.key.epoch = 9;
    input.key.sampler_version = 4;
    EXPECT_EQ(Counts(input), bag);
    EXPECT_NE(Counts(BagInput(form, 1000, 4)), bag);
    input.key.seed = 6;
    EXPECT_NE(Counts(input), bag);
  }
}

TEST(BagsTest, BagsOfDifferentNumbersAreIndependent) {
  // Left out of both: e^-2 of 100,000; 5 standard deviations of a binomial: 6e-7.
  const auto a = Counts(BagInput(Form::kPoisson, 100000, 0));
  const auto b = Counts(BagInput(Form::kPoisson, 100000, 1));
  double both = 0;
  for (size_t i = 0; i < a.size(); ++i) both += a[i] == 0 && b[i] == 0;
  const double p = std::exp(-2.0);
  EXPECT_NEAR(both, 100000 * p, 5 * std::sqrt(100000 * p * (1 - p)));
}

TEST(BagsTest, StrataAreDrawnFromOneByOne) {
  const std::vector<size_t> sizes = {700, 200, 100};
  PlanInput input = BagInput(Form::kMultinomial, 1000);
  const auto labels = LabelsWithCounts(sizes);
  input.strata = StrataOf(labels).value();
  input.spec.proportion.column = "label";
  for (uint32_t bag = 0; bag < 20; ++bag) {
    input.spec.draw.bag = bag;
    const auto counts = Counts(input);
    size_t first = 0;
    for (const size_t size : sizes) {
      const auto begin = counts.begin() + first;
      EXPECT_EQ(std::accumulate(begin, begin + size, uint64_t{0}), size);
      first += size;
    }
  }
}

TEST(BagsTest, InBagAndOutOfBagPartTheSamples) {
  for (const Form form : {Form::kMultinomial, Form::kPoisson, Form::kBayesian}) {
    const PlanInput input = BagInput(form, 500);
    const Population population = {500, nullptr};
    const auto in = InBag(input, population);
    const auto out = OutOfBag(input, population);
    EXPECT_TRUE(std::is_sorted(in.begin(), in.end()));
    EXPECT_TRUE(std::is_sorted(out.begin(), out.end()));
    std::vector<uint32_t> all;
    std::merge(in.begin(), in.end(), out.begin(), out.end(), std::back_inserter(all));
    std::vector<uint32_t> expected(500);
    std::iota(expected.begin(), expected.end(), 0u);
    EXPECT_EQ(all, expected);
    EXPECT_EQ(out.empty(), form == Form::kBayesian);
  }
}

TEST(BagsTest, AFractionIsTheSizeOfTheBag) {
  PlanInput input = BagInput(Form::kMultinomial, 1000);
  input.spec.draw.fraction = .3;
  const auto counts = Counts(input);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), 300);
}

}  // namespace
}  // namespace subset::sampling
