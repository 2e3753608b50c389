// A dataset of a few columns, and the filters that tests ask of it.

#ifndef SUBSET_TESTS_SAMPLING_ELIGIBLE_TESTING_H_
#define SUBSET_TESTS_SAMPLING_ELIGIBLE_TESTING_H_

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/eligible.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {

using Kind = Predicate::Kind;
using Missing = Predicate::Missing;

inline constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

class EligibleTest : public ::testing::Test {
 protected:
  template <typename T>
  void AddColumn(const std::string& name, ColumnView::Type type, const std::vector<T>& values) {
    input_.num_samples = values.size();
    std::vector<const void*>& chunks = chunks_[name];
    chunks.clear();
    for (uint64_t i = 0; i < values.size(); i += kChunkSamples) chunks.push_back(&values[i]);
    input_.columns.dataset[name] = {type, chunks};
  }
  void Add(Predicate predicate) {
    if (predicate.missing == Missing::kDefault) {
      predicate.missing = predicate.column.empty() ? Missing::kKeep : Missing::kDrop;
    }
    input_.spec.eligible.all.push_back(std::move(predicate));
  }

  std::vector<uint64_t> Members() {
    const auto set = EligibleSamples(input_);
    EXPECT_OK(set);
    std::vector<uint64_t> members;
    for (uint64_t i = 0; i < input_.num_samples; ++i) {
      if (set->Contains(i)) members.push_back(i);
    }
    EXPECT_EQ(set->Count(), members.size());
    return members;
  }
  uint64_t Count() { return Members().size(); }

  PlanInput input_;

 private:
  std::map<std::string, std::vector<const void*>> chunks_;
};

inline Predicate Range(const std::string& column, double minimum, double maximum) {
  Predicate predicate;
  predicate.column = column;
  predicate.minimum = minimum;
  predicate.maximum = maximum;
  return predicate;
}
inline Predicate Quantile(const std::string& column, double low, double high = 1) {
  Predicate predicate;
  predicate.column = column;
  predicate.kind = Kind::kQuantile;
  predicate.low = low;
  predicate.high = high;
  return predicate;
}
inline Predicate In(const std::string& column, std::vector<int64_t> values) {
  Predicate predicate;
  predicate.column = column;
  predicate.kind = Kind::kIn;
  predicate.values = std::move(values);
  return predicate;
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_ELIGIBLE_TESTING_H_
