// What the tests of plans share: columns from vectors, whole epochs, chi-square bounds.

#ifndef SUBSET_TESTS_SAMPLING_PLAN_TESTING_H_
#define SUBSET_TESTS_SAMPLING_PLAN_TESTING_H_

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/plan.h"
#include "sampling/strata.h"

namespace subset::sampling {

// A score column in chunks. Must outlive its view.
class Scores {
 public:
  explicit Scores(std::vector<float> values) : values_(std::move(values)) {
    for (uint64_t i = 0; i < values_.size(); i += kChunkSamples) chunks_.push_back(&values_[i]);
  }
  ScoreView view() const { return {chunks_}; }
  float operator[](size_t i) const { return values_[i]; }

 private:
  std::vector<float> values_;
  std::vector<const float*> chunks_;
};

// A column of label sets. Must outlive its view.
class LabelSets {
 public:
  // The labels of each sample, ascending.
  explicit LabelSets(const std::vector<std::vector<uint32_t>>& sets) {
    for (uint64_t i = 0; i < sets.size(); ++i) {
      if (i % kChunkSamples == 0) values_.emplace_back();
      values_.back().push_back(static_cast<uint32_t>(sets[i].size()));
      values_.back().insert(values_.back().end(), sets[i].begin(), sets[i].end());
    }
    for (const std::vector<uint32_t>& chunk : values_) chunks_.push_back(chunk.data());
  }
  LabelSetView view() const { return {chunks_}; }

 private:
  std::vector<std::vector<uint32_t>> values_;
  std::vector<const void*> chunks_;
};

template <typename T>
ColumnView::Type TypeOf() {
  if (sizeof(T) == 1) return ColumnView::Type::kUint8;
  if (sizeof(T) == 2) return ColumnView::Type::kUint16;
  return sizeof(T) == 4 ? ColumnView::Type::kUint32 : ColumnView::Type::kInt64;
}

template <typename T>
absl::StatusOr<std::shared_ptr<const Strata>> StrataOf(const std::vector<T>& values) {
  std::vector<const void*> chunks;
  for (uint64_t i = 0; i < values.size(); i += kChunkSamples) chunks.push_back(&values[i]);
  return BuildStrata({TypeOf<T>(), chunks}, values.size());
}

// Labels 0, 1, ... with these counts, one after the other.
inline std::vector<uint16_t> LabelsWithCounts(const std::vector<size_t>& counts) {
  std::vector<uint16_t> labels;
  for (size_t g = 0; g < counts.size(); ++g) {
    labels.insert(labels.end(), counts[g], static_cast<uint16_t>(g));
  }
  return labels;
}

struct Drawn {
  explicit Drawn(size_t n) : indices(n), probabilities(n), weights(n) {}
  std::vector<uint32_t> indices;
  std::vector<double> probabilities;
  std::vector<float> weights;
};

inline Drawn DrawEpoch(const EpochPlan& plan) {
  Drawn drawn(plan.traits().num_positions);
  plan.Draw(0, absl::MakeSpan(drawn.indices), absl::MakeSpan(drawn.probabilities),
            absl::MakeSpan(drawn.weights));
  return drawn;
}

inline std::vector<uint64_t> CountsOf(const std::vector<uint32_t>& indices, uint64_t n) {
  std::vector<uint64_t> counts(n);
  for (const uint32_t i : indices) ++counts.at(i);
  return counts;
}

// What a chi-square variable with `df` >= 9 degrees of freedom exceeds with a probability below
// 1e-6 (Wilson and Hilferty's cube root; z = 4.8 is 8e-7).
inline double ChiSquareLimit(double df) {
  const double v = 2 / (9 * df);
  return df * std::pow(1 - v + 4.8 * std::sqrt(v), 3);
}
// What it falls below as rarely: too good a fit is a defect too.
inline double ChiSquareFloor(double df) {
  const double v = 2 / (9 * df);
  return df * std::pow(1 - v - 4.8 * std::sqrt(v), 3);
}

struct ChiSquare {
  double value = 0;
  double df = 0;
};

// Pearson's statistic of counts against total * q. Cells expected fewer than 5 times are put
// together; a cell with q = 0 must be empty (infinity otherwise).
inline ChiSquare Pearson(const std::vector<uint64_t>& counts, const std::vector<double>& q) {
  double total = 0;
  for (const uint64_t count : counts) total += static_cast<double>(count);
  ChiSquare result;
  double rest_count = 0;
  double rest_expected = 0;
  const auto add = [&](double count, double expected) {
    result.value += (count - expected) * (count - expected) / expected;
    result.df += 1;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    const double count = static_cast<double>(counts[i]);
    if (q[i] == 0) {
      if (count > 0) result.value = INFINITY;
    } else if (q[i] * total >= 5) {
      add(count, q[i] * total);
    } else {
      rest_count += count;
      rest_expected += q[i] * total;
    }
  }
  if (rest_expected >= 5) add(rest_count, rest_expected);
  result.df -= 1;
  return result;
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_PLAN_TESTING_H_
