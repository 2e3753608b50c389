// The leaves of a draw are those of its scale, and the scale fits the scores, whether it was seen
// from a sample of them or from all.

#include "sampling/draw_index.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/population.h"
#include "sampling/preference.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kSampleEvery = 65536;  // scores: of each so many, the first 1024 make the guess
constexpr uint64_t kPiece = 1024;

struct Case {
  std::string name;
  std::function<float(float score, uint64_t i)> set;  // lognormal scores
};

std::vector<Case> Cases() {
  return {
      {"as they are", [](float score, uint64_t) { return score; }},
      {"one far above", [](float score, uint64_t i) { return i == 40000 ? 1e7f : score; }},
      {"one far above, in the sample",
       [](float score, uint64_t i) { return i == 70 ? 1e7f : score; }},
      {"a sample unlike the rest",
       [](float score, uint64_t i) { return i % kSampleEvery < kPiece ? 64 * score : score; }},
      {"a sample of nothing",
       [](float score, uint64_t i) { return i % kSampleEvery < kPiece ? 0 : score; }},
      {"half of them unscored", [](float score, uint64_t i) { return i % 2 == 0 ? NAN : score; }},
      {"unscored outside of the sample",
       [](float score, uint64_t i) { return i % kSampleEvery == 60000 ? NAN : score; }},
      {"unscored", [](float, uint64_t) { return NAN; }},
      {"nothing positive", [](float, uint64_t i) { return i % 3 == 0 ? -1.0f : 0; }},
  };
}

void ExpectFittingMean(const DrawIndex& drawn) {
  const absl::Span<const Leaf> leaves = drawn.index->weights().leaves();
  const double mean =
      static_cast<double>(drawn.index->weights().total()) / static_cast<double>(leaves.size());
  if (mean == 0) return;
  EXPECT_LT(mean, 0x1.001p19);
  // Lower only where the largest weight would not fit otherwise.
  if (LeafWeight(*std::max_element(leaves.begin(), leaves.end())) < kMaxLeafWeight / 2) {
    EXPECT_GT(mean, 0x1.ffep17);
  }
}

void ExpectFitting(const DrawIndex& drawn, const std::vector<float>& scores) {
  const absl::Span<const Leaf> leaves = drawn.index->weights().leaves();
  ASSERT_EQ(leaves.size(), scores.size());
  uint64_t clamped = 0;
  double sum = 0;
  double scored = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    bool outside = false;
    ASSERT_EQ(leaves[i], drawn.scale->Encode(scores[i], &outside)) << "sample " << i;
    clamped += outside;
    if (std::isnan(scores[i])) continue;
    sum += std::max(0.0f, scores[i]);
    ++scored;
  }
  EXPECT_EQ(drawn.clamped, clamped);
  EXPECT_EQ(drawn.any_positive, sum > 0);
  EXPECT_NEAR(drawn.scale->parameters().unscored, scored == 0 ? 1 : sum / scored, 1e-9 * sum);
  ExpectFittingMean(drawn);
}

TEST(DrawIndexTest, LeavesAreThoseOfAScaleThatFits) {
  std::mt19937_64 random(11);
  std::lognormal_distribution<float> lognormal(-1, .8);
  for (const uint64_t n : {uint64_t{1500}, kSampleEvery, kSampleEvery + 1, uint64_t{300001}}) {
    std::vector<float> plain(n);
    for (float& score : plain) score = lognormal(random);
    for (const Case& c : Cases()) {
      std::vector<float> values = plain;
      for (uint64_t i = 0; i < n; ++i) values[i] = c.set(values[i], i);
      const Scores column(values);
      for (const double alpha : {1.0, .6, 2.5, 7.0}) {
        SCOPED_TRACE(testing::Message() << c.name << ", n " << n << ", alpha " << alpha);
        PlanInput input;
        input.spec.preference.kind = Preference::Kind::kScorePower;
        input.spec.preference.alpha = alpha;
        ASSERT_OK(ResolveSpec(&input.spec));
        input.num_samples = n;
        input.columns.scores["loss"] = column.view();
        const auto population = BuildPopulation(input);
        ASSERT_OK(population);
        ExpectFitting(BuildDrawIndex(input, *population, {}), values);
      }
    }
  }
}

// What the leaves of ranks are, by the values that other draws take: of a mean of 1 in each
// stratum.
void ExpectLeavesOfValues(const PlanInput& input) {
  const auto population = BuildPopulation(input);
  ASSERT_OK(population);
  const DrawIndex drawn = BuildDrawIndex(input, *population, {});
  const std::vector<double> values = ValuesOf(input, *population).values;
  const absl::Span<const Leaf> leaves = drawn.index->weights().leaves();
  ASSERT_EQ(leaves.size(), values.size());
  uint64_t clamped = 0;
  for (size_t g = 0; g < population->num_strata(); ++g) {
    const auto begin = values.begin() + static_cast<ptrdiff_t>(population->first(g));
    const auto count = population->count(g);
    const double sum = std::accumulate(begin, begin + static_cast<ptrdiff_t>(count), 0.0);
    for (uint64_t slot = population->first(g); slot < population->first(g) + count; ++slot) {
      bool outside = false;
      const double value = values[slot] * (static_cast<double>(count) / sum);
      ASSERT_EQ(leaves[slot], drawn.scale->Encode(value, &outside)) << "slot " << slot;
      clamped += outside;
    }
  }
  EXPECT_EQ(drawn.clamped, clamped);
  EXPECT_TRUE(drawn.any_positive);
  ExpectFittingMean(drawn);
}

TEST(DrawIndexTest, LeavesOfRanksAreThoseOfTheirValues) {
  std::mt19937_64 random(12);
  for (const uint64_t n : {uint64_t{1}, uint64_t{1500}, uint64_t{300001}}) {
    std::vector<float> scores;
    std::vector<uint16_t> labels;
    for (uint64_t i = 0; i < n; ++i) {
      scores.push_back(random() % 10 == 0 ? NAN : static_cast<float>(random() % (n / 2 + 1)));
      labels.push_back(static_cast<uint16_t>(std::min<uint64_t>(random() % 4, 2)));
    }
    scores[0] = 1;
    const Scores column(scores);
    const auto strata = StrataOf(labels);
    ASSERT_OK(strata);
    for (const double steepness : {0.0, .7, 3.0}) {
      for (const auto law : {Preference::Law::kPower, Preference::Law::kExponential}) {
        for (const bool stratified : {false, true}) {
          SCOPED_TRACE(testing::Message() << "n " << n << ", " << steepness << ", " << stratified);
          PlanInput input;
          input.spec.preference.kind = Preference::Kind::kRank;
          input.spec.preference.law = law;
          input.spec.preference.alpha = steepness;
          input.spec.preference.pressure = std::exp2(20 * steepness);
          input.spec.guard.unscored = Guard::Unscored::kMean;
          input.num_samples = n;
          input.columns.scores["loss"] = column.view();
          if (stratified) input.population = Population{n, *strata};
          ExpectLeavesOfValues(input);
        }
      }
    }
  }
}

TEST(DrawIndexTest, TheScaleOfABandFits) {
  std::vector<float> scores(1000);
  std::iota(scores.begin(), scores.end(), 0.0f);
  const Scores column(scores);
  for (const double keep : {.001, .3, 1.0}) {
    PlanInput input;
    input.spec.preference.kind = Preference::Kind::kBand;
    input.spec.preference.keep = keep;
    input.num_samples = scores.size();
    input.columns.scores["loss"] = column.view();
    const auto population = BuildPopulation(input);
    ASSERT_OK(population);
    ExpectFittingMean(BuildDrawIndex(input, *population, {}));
  }
}

}  // namespace
}  // namespace subset::sampling
