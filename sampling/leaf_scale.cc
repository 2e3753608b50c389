#include "sampling/leaf_scale.h"

#include <algorithm>
#include <cmath>

namespace subset::sampling {
namespace {

constexpr int kMeanExponent = 19;       // the mean weight is below 2^19,
constexpr int kLeastMeanExponent = 12;  // or, to fit a large one, below 2^12

template <typename F>
void ForEachScored(const ScoreView& scores, uint64_t num_samples, F f) {
  for (uint64_t first = 0; first < num_samples && !scores.chunks.empty(); first += kChunkSamples) {
    const float* chunk = scores.chunks[first / kChunkSamples];
    if (chunk == nullptr) continue;
    const uint64_t count = std::min(kChunkSamples, num_samples - first);
    for (uint64_t i = 0; i < count; ++i) {
      if (!std::isnan(chunk[i])) f(static_cast<double>(chunk[i]));
    }
  }
}

}  // namespace

LeafScale::LeafScale(double alpha, const Parameters& parameters)
    : alpha_(alpha),
      parameters_(parameters),
      score_factor_(std::ldexp(1.0, parameters.score_exponent)),
      weight_factor_(std::ldexp(1.0, parameters.weight_exponent)) {
  const double exponent = std::min(1000.0, 1000.0 / alpha);
  least_base_ = std::exp2(-exponent);
  largest_base_ = std::exp2(exponent);
}

double LeafScale::Power(double score) const {
  if (!(score > 0)) return 0;
  const double base = score * score_factor_;
  if (alpha_ == 1) return base;
  return PortablePow(std::clamp(base, least_base_, largest_base_), alpha_);
}

Leaf LeafScale::Encode(double score, bool* clamped) const {
  const double power = Power(std::isnan(score) ? parameters_.unscored : score);
  const double weight = power * weight_factor_;
  *clamped = weight > 0 && weight < 0.5;
  return EncodeLeaf(weight, clamped);
}

double LeafScale::UnscoredScore(const Guard& guard, const Summary& summary) {
  if (guard.unscored == Guard::Unscored::kPrior) return guard.unscored_prior;
  if (summary.scored == 0) return 1;
  if (guard.unscored == Guard::Unscored::kMaximum) return summary.maximum;
  return summary.sum / static_cast<double>(summary.scored);
}

LeafScale LeafScale::Unit(const Summary& summary, uint64_t n, double alpha, const Guard& guard) {
  Parameters parameters;
  parameters.unscored = UnscoredScore(guard, summary);
  const bool any_unscored = summary.scored < n;
  const double maximum = std::max(summary.maximum, any_unscored ? parameters.unscored : 0.0);
  if (maximum > 0) {
    int exponent;
    std::frexp(maximum, &exponent);
    parameters.score_exponent = std::min(-exponent, 1000);  // the largest base is in [1/2, 1)
  }
  return LeafScale(alpha, parameters);
}

LeafScale LeafScale::WithMean(const Summary& summary, uint64_t n, double sum) const {
  const uint64_t unscored = n - summary.scored;
  const double maximum = std::max(summary.maximum, unscored > 0 ? parameters_.unscored : 0.0);
  if (unscored > 0) sum += static_cast<double>(unscored) * Power(parameters_.unscored);
  const double mean = sum / static_cast<double>(n);
  Parameters parameters = parameters_;
  parameters.weight_exponent = kMeanExponent;
  if (mean > 0) {
    int exponent;
    std::frexp(mean, &exponent);  // mean in [2^(exponent - 1), 2^exponent)
    parameters.weight_exponent -= exponent;
    while (std::ldexp(Power(maximum), parameters.weight_exponent) > kMaxLeafWeight &&
           exponent + parameters.weight_exponent > kLeastMeanExponent) {
      --parameters.weight_exponent;
    }
  }
  return LeafScale(alpha_, parameters);
}

LeafScale LeafScale::Fit(const ScoreView& scores, uint64_t num_samples, double alpha,
                         const Guard& guard, bool* any_positive) {
  return Fit([&](auto f) { ForEachScored(scores, num_samples, f); }, num_samples, alpha, guard,
             any_positive);
}

}  // namespace subset::sampling
