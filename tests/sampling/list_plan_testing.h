// What the tests of list plans share.

#ifndef SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_
#define SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_

#include <cmath>
#include <cstdint>
#include <list>
#include <memory>
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
    return BuildListPlan(resolved_input, population());
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

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_LIST_PLAN_TESTING_H_
