// Builds draws with replacement for tests, and their probabilities by the formula.

#ifndef SUBSET_TESTS_SAMPLING_SCORE_DRAW_TESTING_H_
#define SUBSET_TESTS_SAMPLING_SCORE_DRAW_TESTING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/score_draw.h"
#include "tests/sampling/plan_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {

inline constexpr float kNanF = std::numeric_limits<float>::quiet_NaN();

struct Options {
  double alpha = 1;
  double floor = .1;
  double beta = 1;
  Guard::Unscored unscored = Guard::Unscored::kDefault;
  double prior = 0;
  Weight::Target target = Weight::Target::kDefault;
  Proportion::Kind proportion = Proportion::Kind::kNatural;
  std::vector<uint16_t> labels;  // empty: one stratum
};

inline PlanInput InputOf(const Scores& scores, uint64_t n, const Options& options = {}) {
  PlanInput input;
  SamplerSpec& spec = input.spec;
  spec.preference.kind = Preference::Kind::kScorePower;
  spec.preference.alpha = options.alpha;
  spec.guard = {options.floor, options.unscored, options.prior};
  spec.weight = {options.target, options.beta};
  spec.proportion.kind = options.proportion;
  if (!options.labels.empty()) {
    spec.proportion.column = "label";
    input.strata = StrataOf(options.labels).value();
  }
  EXPECT_OK(ResolveSpec(&spec));
  input.num_samples = n;
  input.columns.scores["loss"] = scores.view();
  input.key = {3, 1, 0};
  return input;
}

inline PlanInput UniformInput(uint64_t n, const Options& options = {}) {
  PlanInput input = InputOf(Scores({}), n, options);
  input.spec = SamplerSpec{};
  input.spec.proportion.kind = options.proportion;
  input.spec.proportion.column = options.labels.empty() ? "" : "label";
  input.spec.draw.kind = Draw::Kind::kWithReplacement;
  input.spec.weight.target = options.target;
  input.spec.weight.beta = options.beta;
  EXPECT_OK(ResolveSpec(&input.spec));
  return input;
}

inline std::unique_ptr<ScoreDraw> Build(const PlanInput& input) {
  auto draw = ScoreDraw::Build(input);
  EXPECT_OK(draw);
  return draw.ok() ? *std::move(draw) : nullptr;
}

inline Drawn DrawMany(const ScoreDraw& draw, size_t count, uint64_t seed = 3) {
  Drawn drawn(count);
  draw.Draw({seed, 1, 0}, 0, absl::MakeSpan(drawn.indices), absl::MakeSpan(drawn.probabilities),
            absl::MakeSpan(drawn.weights));
  return drawn;
}

// q_i and w_i as the draws report them; 0 for samples that never came up.
struct Reported {
  std::vector<double> q;
  std::vector<float> w;
};
inline Reported ReportedBy(const ScoreDraw& draw, uint64_t n, size_t draws) {
  const Drawn drawn = DrawMany(draw, draws);
  Reported reported{std::vector<double>(n), std::vector<float>(n)};
  for (size_t k = 0; k < draws; ++k) {
    const uint32_t i = drawn.indices.at(k);
    EXPECT_TRUE(reported.q.at(i) == 0 || reported.q[i] == drawn.probabilities[k]);
    reported.q[i] = drawn.probabilities[k];
    reported.w[i] = drawn.weights[k];
  }
  return reported;
}

// q by the formula, from real-valued preferences.
inline std::vector<double> Formula(const std::vector<double>& v, const Options& options) {
  const size_t n = v.size();
  std::vector<uint16_t> labels = options.labels;
  if (labels.empty()) labels.assign(n, 0);
  const size_t strata = *std::max_element(labels.begin(), labels.end()) + 1;
  std::vector<double> total(strata), count(strata);
  for (size_t i = 0; i < n; ++i) {
    total[labels[i]] += v[i];
    count[labels[i]] += 1;
  }
  std::vector<double> q(n);
  for (size_t i = 0; i < n; ++i) {
    const size_t g = labels[i];
    const double p = options.proportion == Proportion::Kind::kEqual
                         ? 1. / static_cast<double>(strata)
                         : count[g] / static_cast<double>(n);
    const double h = total[g] > 0 ? v[i] / total[g] : 1 / count[g];
    q[i] = p * ((1 - options.floor) * h + options.floor / count[g]);
  }
  return q;
}

inline std::vector<float> Lognormal(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::lognormal_distribution<float> lognormal(0, 1);
  std::vector<float> values(n);
  for (float& value : values) value = lognormal(random);
  return values;
}

inline std::vector<double> Powers(const std::vector<float>& scores, double alpha) {
  std::vector<double> v;
  for (const float score : scores) v.push_back(std::pow(score, alpha));
  return v;
}

inline std::vector<uint16_t> Labels(size_t n, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint16_t> labels(n);
  for (uint16_t& label : labels)
    label = static_cast<uint16_t>(std::min<uint64_t>(random() % 16, 4));
  return labels;
}

struct Path {
  const char* name;
  Options options;
};

inline std::vector<Path> Paths(size_t n) {
  std::vector<Path> paths;
  paths.push_back({"one stratum", {}});
  paths.push_back({"no floor", {}});
  paths.back().options.floor = 0;
  paths.push_back({"alpha", {}});
  paths.back().options.alpha = .6;
  paths.push_back({"all floor", {}});
  paths.back().options.floor = 1;
  paths.push_back({"natural strata", {}});
  paths.back().options.labels = Labels(n, 4);
  paths.push_back({"equal strata", {}});
  paths.back().options.labels = Labels(n, 5);
  paths.back().options.proportion = Proportion::Kind::kEqual;
  return paths;
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_SCORE_DRAW_TESTING_H_
