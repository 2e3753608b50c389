#include "sampling/population.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/eligible.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A dataset with the columns "outer", "inner" and "x".
struct Data {
  template <typename T>
  void Column(const std::string& name, ColumnView::Type type, const std::vector<T>& values) {
    for (uint64_t i = 0; i < values.size(); i += kChunkSamples) chunks[name].push_back(&values[i]);
    input.columns.dataset[name] = {type, chunks[name]};
  }
  template <typename Inner>
  Data(std::vector<uint16_t> outer_values, const std::vector<Inner>& inner_values,
       std::vector<float> x_values)
      : outer(std::move(outer_values)), x(std::move(x_values)) {
    input.num_samples = outer.size();
    Column("x", ColumnView::Type::kFloat32, x);
    const auto kept = std::make_shared<const std::vector<Inner>>(inner_values);
    inner = kept;
    Column("inner", TypeOf<Inner>(), *kept);
    Column("outer", ColumnView::Type::kUint16, outer);
    input.spec.proportion.column = "outer";
    input.strata = *StrataOf(outer);
  }
  void Nest() {
    Proportion within;
    within.column = "inner";
    input.spec.proportion.within = std::make_shared<const Proportion>(within);
  }
  void Filter(double minimum) {
    Predicate predicate;
    predicate.column = "x";
    predicate.minimum = minimum;
    predicate.missing = Predicate::Missing::kDrop;
    input.spec.eligible.all = {predicate};
  }

  std::vector<uint16_t> outer;
  std::vector<float> x;
  std::shared_ptr<const void> inner;
  std::map<std::string, std::vector<const void*>> chunks;
  PlanInput input;
};

std::vector<uint32_t> Samples(const Population& population) {
  std::vector<uint32_t> samples;
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    samples.push_back(population.sample(slot));
  }
  return samples;
}

TEST(PopulationTest, WithoutFilterAndColumnItIsEverySample) {
  PlanInput input;
  input.num_samples = 7;
  const auto population = BuildPopulation(input);
  ASSERT_OK(population);
  EXPECT_EQ(population->strata, nullptr);
  EXPECT_EQ(population->size(), 7);
  EXPECT_EQ(population->num_strata(), 1);
  EXPECT_EQ(population->count(0), 7);
  EXPECT_THAT(Samples(*population), ElementsAre(0, 1, 2, 3, 4, 5, 6));
}

TEST(PopulationTest, WithoutFilterTheStrataAreShared) {
  Data data({1, 0, 1}, std::vector<uint8_t>{0, 0, 0}, {0, 0, 0});
  EXPECT_EQ(BuildPopulation(data.input)->strata, data.input.strata);
}

TEST(PopulationTest, AFilterTakesSamplesOutAndEmptyStrataLeave) {
  Data data({5, 3, 5, 4, 3, 5}, std::vector<uint8_t>(6), {1, 2, 0, 0, 2, 3});
  data.Filter(1);
  const auto population = BuildPopulation(data.input);
  ASSERT_OK(population);
  EXPECT_THAT(population->strata->values, ElementsAre(3, 5));
  EXPECT_THAT(population->strata->offsets, ElementsAre(0, 2, 4));
  EXPECT_THAT(Samples(*population), ElementsAre(1, 4, 0, 5));
  EXPECT_EQ(population->num_samples, 6);

  data.input.spec.proportion.column = "";
  const auto whole = BuildPopulation(data.input);
  ASSERT_OK(whole);
  EXPECT_EQ(whole->num_strata(), 1);
  EXPECT_THAT(Samples(*whole), ElementsAre(0, 1, 4, 5));
}

TEST(PopulationTest, AFilterThatLeavesNothingSaysSo) {
  Data data({5, 3}, std::vector<uint8_t>(2), {1, 2});
  data.Filter(9);
  for (const char* column : {"outer", ""}) {
    data.input.spec.proportion.column = column;
    const auto population = BuildPopulation(data.input);
    EXPECT_THAT(population.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                              HasSubstr("no sample passes the filter")));
    EXPECT_THAT(population.status(), ReasonIs("NOTHING_TO_DRAW"));
  }
}

TEST(PopulationTest, ExplicitSharesOfStrataThatAreGoneLeaveNothing) {
  Data data({5, 3}, std::vector<uint8_t>{1, 2}, {1, 2});
  data.input.spec.proportion.kind = Proportion::Kind::kExplicit;
  data.input.spec.proportion.shares = {{5, 1}, {3, 0}};
  ASSERT_OK(BuildPopulation(data.input));
  data.Filter(2);
  EXPECT_THAT(BuildPopulation(data.input).status(), ReasonIs("NOTHING_TO_DRAW"));
}

// The obvious slow way: a map from the pair of values to its samples.
template <typename Inner>
void CheckNested(const Data& data, const std::vector<Inner>& inner, const SampleSet& eligible) {
  std::map<std::pair<int64_t, int64_t>, std::vector<uint32_t>> expected;
  for (uint32_t i = 0; i < inner.size(); ++i) {
    if (!eligible.Contains(i)) continue;
    expected[{data.outer[i], static_cast<int64_t>(inner[i])}].push_back(i);
  }
  const auto population = BuildPopulation(data.input);
  if (expected.empty()) {
    EXPECT_THAT(population.status(), ReasonIs("NOTHING_TO_DRAW"));
    return;
  }
  ASSERT_OK(population);
  ASSERT_EQ(population->num_strata(), expected.size());
  if (population->eligible != nullptr) {
    ASSERT_EQ(population->eligible->words(), eligible.words());
  } else {
    ASSERT_EQ(eligible.Count(), inner.size());
  }
  size_t g = 0;
  for (const auto& [values, samples] : expected) {
    ASSERT_EQ(population->strata->values[g], values.first);
    ASSERT_EQ(population->strata->inner_values[g], values.second);
    ASSERT_EQ(population->count(g), samples.size());
    for (uint64_t k = 0; k < samples.size(); ++k) {
      ASSERT_EQ(population->sample(population->first(g) + k), samples[k]);
    }
    ++g;
  }
}

template <typename Inner>
void CheckManyNested(int seed) {
  std::mt19937_64 random(seed);
  for (int trial = 0; trial < 100; ++trial) {
    // Many pairs that may occur, of which few do, are sorted in another way than few.
    const bool many = trial % 20 == 1;
    const uint64_t n = 1 + random() % 500 + (trial == 0 ? kChunkSamples : many ? 4000 : 0);
    const int outers = many ? 5000 : 1 + random() % 9;
    const int inners = many ? 5000 : 1 + random() % 30;
    std::vector<uint16_t> outer(n);
    std::vector<Inner> inner(n);
    std::vector<float> x(n);
    for (uint64_t i = 0; i < n; ++i) {
      outer[i] = random() % outers * 1000;
      inner[i] = static_cast<Inner>(random() % inners * 7 - 3);
      x[i] = static_cast<float>(random() % 10);
    }
    Data data(outer, inner, x);
    data.Nest();
    if (trial % 3 > 0) data.Filter(trial % 10);
    const auto eligible = EligibleSamples(data.input);
    ASSERT_OK(eligible);
    CheckNested(data, inner, *eligible);
  }
}

TEST(PopulationTest, NestedStrataAgreeWithAMapAtEveryWidth) {
  CheckManyNested<uint8_t>(1);
  CheckManyNested<uint16_t>(2);
  CheckManyNested<uint32_t>(3);
  CheckManyNested<int64_t>(4);
}

TEST(PopulationTest, TooManyStrataAreRefused) {
  std::vector<uint16_t> outer(70000);
  std::vector<uint32_t> inner(70000);
  for (uint32_t i = 0; i < 70000; ++i) {
    outer[i] = static_cast<uint16_t>(i % 300);
    inner[i] = i / 300;
  }
  Data data(outer, inner, std::vector<float>(70000));
  data.Nest();
  EXPECT_THAT(BuildPopulation(data.input).status(), FieldIs("proportion.within.column"));
  for (uint32_t i = 0; i < 70000; ++i) inner[i] = i;
  EXPECT_THAT(BuildPopulation(data.input).status(), FieldIs("proportion.within.column"));
  data.input.columns.dataset.erase("inner");
  EXPECT_THAT(BuildPopulation(data.input).status(), FieldIs("proportion.within.column"));
}

TEST(PopulationTest, AGivenPopulationIsTaken) {
  PlanInput input;
  input.num_samples = 7;
  input.population = Population{7, *StrataOf(std::vector<uint8_t>{0, 0})};
  EXPECT_EQ(BuildPopulation(input)->size(), 2);
}

TEST(PopulationTest, WhoPassedEarlierMakesTheSamePopulation) {
  Data data({5, 3, 5, 4, 3, 5}, std::vector<uint8_t>{1, 2, 2, 1, 1, 1}, {1, 2, 0, 0, 2, 3});
  data.Nest();
  data.Filter(1);
  const auto population = BuildPopulation(data.input);
  ASSERT_OK(population);
  PlanInput later = data.input;  // the filter reads something else by now
  later.spec.eligible.all[0].minimum = 99;
  const auto again = PopulationOf(later, *population->eligible);
  ASSERT_OK(again);
  EXPECT_EQ(again->strata->values, population->strata->values);
  EXPECT_EQ(again->strata->inner_values, population->strata->inner_values);
  EXPECT_EQ(Samples(*again), Samples(*population));
}

}  // namespace
}  // namespace subset::sampling
