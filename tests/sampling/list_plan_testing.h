// What the tests of list and systematic plans share.

#ifndef SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_
#define SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_

#include <cmath>
#include <cstdint>
#include <list>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/list_plan.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {

// An input and everything its views look at.
class ListInput {
 public:
  ListInput(Draw::Kind kind, uint64_t n) {
    input.spec.draw.kind = kind;
    input.num_samples = n;
    input.key = {7, 1, 0};
  }

  // Scores of "loss", preferred as they are.
  ListInput& Prefer(std::vector<float> scores) {
    scores_ = std::make_unique<Scores>(std::move(scores));
    input.spec.preference.kind = Preference::Kind::kScorePower;
    input.columns.scores["loss"] = scores_->view();
    return *this;
  }
  // Strata 0, 1, ... of these sizes, one after the other.
  ListInput& Strata(const std::vector<size_t>& counts,
                    Proportion::Kind kind = Proportion::Kind::kNatural) {
    input.strata = StrataOf(LabelsWithCounts(counts)).value();
    input.spec.proportion.column = "label";
    input.spec.proportion.kind = kind;
    return *this;
  }
  // A column of the dataset; fewer than kChunkSamples values.
  template <typename T>
  ListInput& Column(const std::string& name, ColumnView::Type type, const std::vector<T>& values) {
    chunks_.push_back(values.data());
    input.columns.dataset[name] = {type, absl::MakeConstSpan(&chunks_.back(), 1)};
    return *this;
  }
  ListInput& Epoch(uint64_t epoch) {
    input.key.epoch = epoch;
    return *this;
  }

  Population population() const { return {input.num_samples, input.strata}; }
  absl::StatusOr<std::unique_ptr<EpochPlan>> TryBuild() {
    SamplerSpec resolved = input.spec;
    const absl::Status status = ResolveSpec(&resolved);
    if (!status.ok()) return status;
    PlanInput resolved_input = input;
    resolved_input.spec = resolved;
    resolved_input.population = population();
    return BuildPlan(resolved_input);
  }
  std::unique_ptr<EpochPlan> Build() {
    auto plan = TryBuild();
    EXPECT_OK(plan);
    return plan.ok() ? *std::move(plan) : nullptr;
  }

  PlanInput input;

 private:
  std::unique_ptr<Scores> scores_;
  std::list<const void*> chunks_;
};

inline std::vector<double> ExpectedOf(const EpochPlan& plan, uint64_t n) {
  std::vector<double> expected(n);
  plan.Expect(absl::MakeSpan(expected));
  return expected;
}

// That every position carries mu of its sample and the weight mass * r / mu.
inline void ExpectExactWeights(const EpochPlan& plan, const std::vector<double>& targets,
                               double mass) {
  const Drawn drawn = DrawEpoch(plan);
  const auto expected = ExpectedOf(plan, targets.size());
  for (size_t p = 0; p < drawn.indices.size(); ++p) {
    const uint32_t i = drawn.indices[p];
    ASSERT_EQ(drawn.probabilities[p], expected[i]);
    ASSERT_GT(expected[i], 0);
    ASSERT_FLOAT_EQ(drawn.weights[p], static_cast<float>(mass * targets[i] / expected[i]));
    ASSERT_EQ(plan.traits().probability.value_or(drawn.probabilities[p]), drawn.probabilities[p]);
    ASSERT_EQ(plan.traits().weight.value_or(drawn.weights[p]), drawn.weights[p]);
  }
}

inline double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

inline std::set<uint32_t> SetOf(const std::vector<uint32_t>& v) { return {v.begin(), v.end()}; }

inline std::vector<float> Ramp(size_t n) {
  std::vector<float> scores(n);
  for (size_t i = 0; i < n; ++i) scores[i] = static_cast<float>(1 + i % 13);
  return scores;
}

// How often each sample came in so many epochs, and how often it is expected in each of them.
struct Counted {
  std::vector<double> counts;
  std::vector<double> mu;
};
inline Counted CountEpochs(ListInput& input, int epochs) {
  const uint64_t n = input.input.num_samples;
  Counted counted{std::vector<double>(n), {}};
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto plan = input.Epoch(epoch).Build();
    if (epoch == 0) counted.mu = ExpectedOf(*plan, n);
    for (const uint32_t i : DrawEpoch(*plan).indices) ++counted.counts[i];
  }
  return counted;
}

// Counts of each sample over epochs against T mu, each within 5.5 deviations of a binomial (mu <=
// 1): false alarms below 4e-8 each.
inline void ExpectFrequencies(ListInput& input, int epochs) {
  const auto [counts, expected] = CountEpochs(input, epochs);
  for (uint64_t i = 0; i < counts.size(); ++i) {
    const double mu = expected[i];
    EXPECT_NEAR(counts[i], epochs * mu, 5.5 * std::sqrt(epochs * mu * (1 - mu)) + 1e-6) << i;
  }
}

// Counts of each of n samples over epochs, whose (count - T mu)^2 / (T mu (1 - mu)) have mean 1
// whatever their correlation, and are near to independent: chi-square of n, false alarms below
// 1e-6.
inline void ExpectChiSquare(ListInput& input, int epochs) {
  const auto [counts, mu] = CountEpochs(input, epochs);
  const uint64_t n = counts.size();
  double chi = 0;
  for (uint64_t i = 0; i < n; ++i) {
    const double deviation = counts[i] - epochs * mu[i];
    chi += deviation * deviation / (epochs * mu[i] * (1 - mu[i]));
  }
  EXPECT_LT(chi, ChiSquareLimit(static_cast<double>(n)));
  EXPECT_GT(chi, ChiSquareFloor(static_cast<double>(n)));
}

inline void ExpectSamePlan(const EpochPlan& a, const EpochPlan& b, uint64_t n) {
  const Drawn drawn_a = DrawEpoch(a);
  const Drawn drawn_b = DrawEpoch(b);
  EXPECT_EQ(drawn_a.indices, drawn_b.indices);
  EXPECT_EQ(drawn_a.probabilities, drawn_b.probabilities);
  EXPECT_EQ(drawn_a.weights, drawn_b.weights);
  EXPECT_EQ(ExpectedOf(a, n), ExpectedOf(b, n));
  EXPECT_EQ(a.traits().distinct_samples, b.traits().distinct_samples);
  EXPECT_EQ(a.traits().probability_kind, b.traits().probability_kind);
  EXPECT_EQ(a.traits().unbiased_over, b.traits().unbiased_over);
  EXPECT_EQ(a.traits().probability, b.traits().probability);
  EXPECT_EQ(a.traits().weight, b.traits().weight);
  EXPECT_EQ(a.traits().effective_sample_ratio, b.traits().effective_sample_ratio);
  EXPECT_EQ(a.traits().fell_back_to_uniform, b.traits().fell_back_to_uniform);
  EXPECT_EQ(a.traits().clamped_leaves, b.traits().clamped_leaves);
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_
