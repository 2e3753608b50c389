#include "sampling/proportion.h"

#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/leaf.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using Kind = Proportion::Kind;

PlanInput InputOf(const std::vector<size_t>& counts) {
  PlanInput input;
  const std::vector<uint16_t> labels = LabelsWithCounts(counts);
  input.num_samples = labels.size();
  input.strata = *StrataOf(labels);
  input.spec.proportion.column = "label";
  return input;
}

std::vector<double> SharesFor(const PlanInput& input) {
  const auto population = BuildPopulation(input);
  EXPECT_OK(population);
  const Shares shares = SharesOf(input, *population);
  std::vector<double> result;
  for (size_t g = 0; g < population->num_strata(); ++g) result.push_back(shares.share(g));
  return result;
}

void ExpectNear(const std::vector<double>& actual, const std::vector<double>& expected,
                double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t g = 0; g < expected.size(); ++g) EXPECT_NEAR(actual[g], expected[g], tolerance) << g;
}

TEST(ProportionTest, NaturalIsTheDataAndEqualIsEven) {
  PlanInput input = InputOf({900, 90, 10});
  ExpectNear(SharesFor(input), {.9, .09, .01}, 0);
  input.spec.proportion.kind = Kind::kEqual;
  ExpectNear(SharesFor(input), {1. / 3, 1. / 3, 1. / 3}, 0);
}

TEST(ProportionTest, TemperatureIsThePublishedTable) {
  PlanInput input = InputOf({900, 90, 10});
  input.spec.proportion.kind = Kind::kTemperature;
  const std::map<double, std::vector<double>> table = {{1, {.9, .09, .01}},
                                                       {2, {.703414, .222439, .074146}},
                                                       {5, {.490787, .309666, .199547}},
                                                       {1e12, {1. / 3, 1. / 3, 1. / 3}}};
  for (const auto& [temperature, shares] : table) {
    input.spec.proportion.temperature = temperature;
    ExpectNear(SharesFor(input), shares, 5e-7);
  }
  for (const double temperature : {.3, 1.0, 1.5, 3.7}) {
    input.spec.proportion.temperature = temperature;
    std::vector<double> exact = {900, 90, 10};
    for (double& n : exact) n = std::pow(n, 1 / temperature);
    const double sum = std::accumulate(exact.begin(), exact.end(), 0.0);
    for (double& n : exact) n /= sum;
    ExpectNear(SharesFor(input), exact, 1e-12);
  }
}

TEST(ProportionTest, AColdTemperatureRoundsNoStratumToZero) {
  PlanInput input = InputOf({900, 90, 1});
  input.spec.proportion.kind = Kind::kTemperature;
  for (const double temperature : {1e-3, 1e-300}) {
    input.spec.proportion.temperature = temperature;
    const std::vector<double> shares = SharesFor(input);
    EXPECT_NEAR(shares[0], 1, 1e-12);
    for (const double share : shares) EXPECT_GT(share, 0);
  }
}

TEST(ProportionTest, EffectiveNumbersAreThePublishedTable) {
  // E of Cui et al. 2019 by n and beta; p is proportional to n / E.
  const std::map<double, std::vector<double>> table = {{.9, {6.513, 10.0, 10.0, 10.0}},
                                                       {.99, {9.562, 63.397, 99.996, 100.0}},
                                                       {.999, {9.955, 95.208, 632.305, 999.955}},
                                                       {.9999, {9.996, 99.507, 951.671, 6321.39}}};
  PlanInput input = InputOf({10, 100, 1000, 10000});
  input.spec.proportion.kind = Kind::kEffectiveNumber;
  for (const auto& [beta, effective] : table) {
    std::vector<double> expected;
    double n = 10;
    for (const double e : effective) {
      expected.push_back(n / e);
      n *= 10;
    }
    const double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
    for (double& share : expected) share /= sum;
    input.spec.proportion.effective_beta = beta;
    ExpectNear(SharesFor(input), expected, 1e-4);
  }
}

TEST(ProportionTest, EffectiveNumbersMayWeighStrataInPlaceOfSamples) {
  PlanInput input = InputOf({10, 0, 1000});
  input.spec.proportion.kind = Kind::kEffectiveNumber;
  input.spec.proportion.effective_by_stratum = true;
  input.spec.proportion.effective_beta = .999;
  const double rare = 1 / 9.955;
  const double common = 1 / 632.305;
  ExpectNear(SharesFor(input), {rare / (rare + common), common / (rare + common)}, 1e-4);
  input.spec.proportion.effective_beta = 0;  // every effective number is 1
  ExpectNear(SharesFor(input), {.5, .5}, 1e-12);
}

TEST(ProportionTest, EffectiveNumbersKeepTheirPrecisionNextToOne) {
  PlanInput input = InputOf({1, 10, 1000});
  input.spec.proportion.kind = Kind::kEffectiveNumber;
  for (const double beta : {1e-300, .3, .75, .9999, 1 - 1e-9, 1 - 1e-15}) {
    input.spec.proportion.effective_beta = beta;
    std::vector<long double> weights;
    for (const long double n : {1.0L, 10.0L, 1000.0L}) {
      const long double e = -std::expm1(n * std::log1p(-(1.0L - beta))) / (1.0L - beta);
      weights.push_back(n / e);
    }
    const long double sum = std::accumulate(weights.begin(), weights.end(), 0.0L);
    std::vector<double> expected;
    for (const long double w : weights) expected.push_back(static_cast<double>(w / sum));
    ExpectNear(SharesFor(input), expected, 1e-12);
  }
  input.spec.proportion.effective_beta = 0;
  ExpectNear(SharesFor(input), {1. / 1011, 10. / 1011, 1000. / 1011}, 1e-12);
  input.spec.proportion.effective_beta = 1;
  ExpectNear(SharesFor(input), {1. / 3, 1. / 3, 1. / 3}, 1e-12);
}

TEST(ProportionTest, PortableExp2m1KeepsItsPrecisionNearZero) {
  for (const double x : {1e-300, 1e-16, -1e-9, .1, -.49999, .5, -.5, 3.0, -40.0}) {
    const double exact = static_cast<double>(std::expm1(x * std::log(2.0L)));
    EXPECT_NEAR(PortableExp2m1(x) / exact, 1, 1e-14) << x;
  }
}

TEST(ProportionTest, ExplicitSharesAreByValueAndGrowWhereOthersAreGone) {
  PlanInput input = InputOf({5, 0, 7, 9});  // values 0, 2, 3
  input.spec.proportion.kind = Kind::kExplicit;
  input.spec.proportion.shares = {{0, .5}, {1, .2}, {3, .3}, {99, 0}};
  ExpectNear(SharesFor(input), {.625, 0, .375}, 1e-12);
}

TEST(ProportionTest, UnimaxIsAsEvenAsItsCapsAllow) {
  PlanInput input = InputOf({10, 100, 1000});
  input.spec.proportion.kind = Kind::kUnimax;
  // Budget 1110, even parts of 370: caps at 20 and 200, the rest goes to the largest.
  input.spec.proportion.max_epochs = 2;
  ExpectNear(SharesFor(input), {20 / 1110., 200 / 1110., 890 / 1110.}, 1e-12);
  input.spec.proportion.max_epochs = 50;
  ExpectNear(SharesFor(input), {1. / 3, 1. / 3, 1. / 3}, 1e-12);
  input.spec.proportion.max_epochs = 1;
  ExpectNear(SharesFor(input), {10 / 1110., 100 / 1110., 1000 / 1110.}, 1e-12);
  input.spec.draw.fraction = .1;  // budget 111
  ExpectNear(SharesFor(input), {10 / 111., 50.5 / 111., 50.5 / 111.}, 1e-12);
}

TEST(ProportionTest, LearnedSharesAreByStratumAndNoneIsLost) {
  PlanInput input = InputOf({5, 7, 9});
  for (const Kind kind : {Kind::kGroupDro, Kind::kDoremi, Kind::kOdm}) {
    input.spec.proportion.kind = kind;
    input.learned_shares = {};
    ExpectNear(SharesFor(input), {1. / 3, 1. / 3, 1. / 3}, 1e-12);
    input.learned_shares = {.7, 0, .3};
    const std::vector<double> shares = SharesFor(input);
    ExpectNear(shares, {.7, 0, .3}, 1e-12);
    EXPECT_GT(shares[1], 0);
  }
}

// Two columns and a filter, in one dataset.
struct Nested {
  Nested() {
    std::mt19937_64 random(7);
    for (int i = 0; i < 2000; ++i) {
      outer.push_back(random() % 10 < 7 ? 0 : 1 + random() % 2);
      inner.push_back(random() % (2 + outer.back()));
      seconds.push_back(static_cast<float>(random() % 100) / 7);
      quality.push_back(static_cast<float>(random() % 100));
    }
    seconds[3] = NAN;
    Add("outer", ColumnView::Type::kUint8, outer);
    Add("inner", ColumnView::Type::kUint8, inner);
    Add("seconds", ColumnView::Type::kFloat32, seconds);
    Add("quality", ColumnView::Type::kFloat32, quality);
    input.num_samples = outer.size();
    input.strata = *StrataOf(outer);
    input.spec.proportion.column = "outer";
  }
  template <typename T>
  void Add(const char* name, ColumnView::Type type, const std::vector<T>& values) {
    chunks[name] = {values.data()};
    input.columns.dataset[name] = {type, chunks[name]};
  }
  void Within(Proportion within) {
    within.column = "inner";
    input.spec.proportion.within = std::make_shared<const Proportion>(within);
  }

  std::vector<uint8_t> outer;
  std::vector<uint8_t> inner;
  std::vector<float> seconds;
  std::vector<float> quality;
  std::map<std::string, std::vector<const void*>> chunks;
  PlanInput input;
};

TEST(ProportionTest, NestedSharesAreThoseOfTheLevelsOnWhatTheFilterLeft) {
  Nested data;
  Predicate good;
  good.column = "quality";
  good.minimum = 30;
  good.missing = Predicate::Missing::kDrop;
  data.input.spec.eligible.all = {good};
  data.input.spec.proportion.kind = Kind::kTemperature;
  data.input.spec.proportion.temperature = 2;
  data.input.spec.proportion.size_column = "seconds";
  Proportion within;
  within.kind = Kind::kTemperature;
  within.temperature = 5;
  data.Within(within);
  // ESPnet's P(d) P(l|d), by hand.
  std::map<int, double> domain_size;
  std::map<std::pair<int, int>, double> language_count;
  for (size_t i = 0; i < data.outer.size(); ++i) {
    if (data.quality[i] < 30) continue;
    if (data.seconds[i] > 0) domain_size[data.outer[i]] += data.seconds[i];
    ++language_count[{data.outer[i], data.inner[i]}];
  }
  double domain_sum = 0;
  for (auto& [domain, size] : domain_size) domain_sum += size = std::sqrt(size);
  std::map<int, double> language_sum;
  for (auto& [pair, count] : language_count) {
    language_sum[pair.first] += count = std::pow(count, .2);
  }
  std::vector<double> expected;
  for (const auto& [pair, count] : language_count) {
    expected.push_back(domain_size[pair.first] / domain_sum * count / language_sum[pair.first]);
  }
  ExpectNear(SharesFor(data.input), expected, 1e-9);
}

TEST(ProportionTest, NaturalInsideNaturalIsTheData) {
  Nested data;
  data.Within({});
  const auto population = BuildPopulation(data.input);
  ASSERT_OK(population);
  EXPECT_EQ(SharesOf(data.input, *population).cumulative, population->strata->offsets);
}

TEST(ProportionTest, ASizeColumnOfZerosCountsSamples) {
  Nested data;
  data.seconds.assign(data.seconds.size(), 0);
  data.Add("seconds", ColumnView::Type::kFloat32, data.seconds);
  data.input.spec.proportion.kind = Kind::kTemperature;
  data.input.spec.proportion.temperature = 3;
  const std::vector<double> counted = SharesFor(data.input);
  data.input.spec.proportion.size_column = "seconds";
  EXPECT_EQ(SharesFor(data.input), counted);
}

TEST(ProportionTest, AnOuterValueWithoutAnySizeGetsNoNaturalShareAndNoNan) {
  Nested data;
  for (size_t i = 0; i < data.outer.size(); ++i) {
    if (data.outer[i] == 1) data.seconds[i] = 0;
  }
  data.input.spec.proportion.size_column = "seconds";
  Proportion within;
  within.size_column = "seconds";
  data.Within(within);
  const auto population = BuildPopulation(data.input);
  ASSERT_OK(population);
  const Shares shares = SharesOf(data.input, *population);
  for (size_t g = 0; g < population->num_strata(); ++g) {
    EXPECT_EQ(shares.share(g) > 0, population->strata->values[g] != 1);
  }
  data.input.spec.proportion.kind = Kind::kEqual;
  data.input.spec.proportion.size_column = "";
  for (const double share : SharesFor(data.input)) EXPECT_GT(share, 0);
}

TEST(ProportionTest, AnOuterValueWhoseInnerSharesAreGoneLeaves) {
  Nested data;
  data.input.spec.proportion.kind = Kind::kEqual;
  Proportion within;
  within.kind = Kind::kExplicit;
  within.shares = {{2, .5}, {3, .5}};  // outer 0 has no such value, outer 1 only the first
  data.Within(within);
  const auto population = BuildPopulation(data.input);
  ASSERT_OK(population);
  const Shares shares = SharesOf(data.input, *population);
  std::map<std::pair<int64_t, int64_t>, double> by_value;
  for (size_t g = 0; g < population->num_strata(); ++g) {
    by_value[{population->strata->values[g], population->strata->inner_values[g]}] =
        shares.share(g);
  }
  EXPECT_EQ((by_value[{0, 0}]), 0);
  EXPECT_NEAR((by_value[{1, 2}]), .5, 1e-12);
  EXPECT_NEAR((by_value[{2, 2}]), .25, 1e-12);
  EXPECT_NEAR((by_value[{2, 3}]), .25, 1e-12);
}

TEST(SharesTest, UnitsAreWithinABillionthAndPositiveSharesStaySo) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<double> weights(1 + random() % 1000);
    for (double& weight : weights) {
      weight = std::ldexp(static_cast<double>(random() % 1000),
                          static_cast<int>(random() % 2000) - 1000);
    }
    weights[0] = std::ldexp(1.0, trial - 100);
    const Shares shares = SharesInProportion(weights);
    const double largest = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (const double weight : weights) sum += weight / largest;
    for (size_t g = 0; g < weights.size(); ++g) {
      EXPECT_NEAR(shares.share(g), weights[g] / largest / sum, 1e-12);
      EXPECT_EQ(shares.units(g) > 0, weights[g] > 0);
    }
    EXPECT_LT(shares.denominator(), uint64_t{1} << 62);
  }
}

TEST(ProportionTest, SharesThatSchedulesMoveAreNormalised) {
  SamplerSpec spec;
  spec.proportion.kind = Kind::kExplicit;
  spec.proportion.column = "label";
  spec.proportion.shares = {{0, .5}, {1, .5}};
  spec.schedules["proportion.shares[0]"].points = {{0, .5}, {10, 1}};
  ASSERT_OK(ResolveSpec(&spec));
  PlanInput input = InputOf({5, 5});
  input.spec = SpecAt(spec, 10, 0);
  ExpectNear(SharesFor(input), {2. / 3, 1. / 3}, 1e-12);
}

}  // namespace
}  // namespace subset::sampling
