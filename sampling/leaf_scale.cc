#include "sampling/leaf_scale.h"

#include <algorithm>
#include <cmath>

namespace subset::sampling {
namespace {

constexpr int kMeanExponent = 19;      // the mean weight is below 2^19,
constexpr int kLeastMeanExponent = 7;  // or, to fit a large one, below 2^7

double UnscoredOf(const Guard& guard, uint64_t scored, double sum, double largest) {
  if (guard.unscored == Guard::Unscored::kPrior) return guard.unscored_prior;
  if (scored == 0) return 1;
  if (guard.unscored == Guard::Unscored::kMaximum) return largest;
  return sum / static_cast<double>(scored);
}

// The largest base is in [1/2, 1).
int32_t ScoreExponent(double largest) {
  if (largest <= 0) return 0;
  int exponent;
  std::frexp(largest, &exponent);
  return std::min(-exponent, 1000);
}

double Power(const PowerLaw& law, double score) {
  if (!(score > 0)) return 0;
  const double base = score * law.score_factor;
  if (law.alpha == 1) return base;
  return PortablePow(std::clamp(base, law.least_base, law.largest_base), law.alpha);
}

PowerLaw LawOf(double alpha, const LeafScale::Parameters& parameters) {
  const double exponent = std::min(1000.0, 1000.0 / alpha);
  PowerLaw law;
  law.alpha = alpha;
  law.score_factor = std::ldexp(1.0, parameters.score_exponent);
  law.weight_factor = std::ldexp(1.0, parameters.weight_exponent);
  law.unscored = parameters.unscored;
  if (alpha != 1) law.least_base = PortableExp2(-exponent);
  law.largest_base = PortableExp2(exponent);
  return law;
}

LeafScale::Parameters Fitting(double alpha, const ScoreSummary& summary, double powers,
                              int32_t score_exponent) {
  LeafScale::Parameters parameters;
  parameters.unscored = summary.unscored;
  parameters.score_exponent = score_exponent;
  parameters.weight_exponent = kMeanExponent;
  const double mean = powers / static_cast<double>(summary.samples);
  if (!(mean > 0)) return parameters;
  int exponent;
  std::frexp(mean, &exponent);  // mean in [2^(exponent - 1), 2^exponent)
  const double largest = Power(LawOf(alpha, parameters), summary.largest);
  int32_t& weight_exponent = parameters.weight_exponent;
  weight_exponent -= exponent;
  while (std::ldexp(largest, weight_exponent) > kMaxLeafWeight &&
         exponent + weight_exponent > kLeastMeanExponent) {
    --weight_exponent;
  }
  return parameters;
}

}  // namespace

ScoreSummary Summarise(const ScoreSums& sums, uint64_t n, const Guard& guard) {
  double sum = 0;
  for (const double lane : sums.lanes) sum += lane;
  ScoreSummary summary;
  summary.samples = n;
  summary.largest_scored = sums.largest;
  summary.unscored = UnscoredOf(guard, sums.scored, sum, sums.largest);
  summary.largest = std::max(sums.largest, sums.scored < n ? summary.unscored : 0.0);
  return summary;
}

LeafScale::LeafScale(double alpha, const Parameters& parameters)
    : parameters_(parameters), law_(LawOf(alpha, parameters)), quick_(law_) {}

LeafScale::LeafScale(double alpha, const ScoreSummary& summary, double powers)
    : LeafScale(alpha, Fitting(alpha, summary, powers, ScoreExponent(summary.largest))) {}

bool LeafScale::IsThatOf(const ScoreSummary& summary, uint64_t total) const {
  if (Power(law_, summary.largest) * law_.weight_factor > kMaxLeafWeight) return false;
  // A leaf is less than one, or its weight's 2^-13, away from what it stands for.
  constexpr double kRelative = 0x1p-12;
  const auto sum = static_cast<double>(total);
  const auto most_off = static_cast<double>(summary.samples);
  const double least = (1 - kRelative) * (sum - most_off) / law_.weight_factor;
  const double most = (1 + kRelative) * (sum + most_off) / law_.weight_factor;
  const auto exponent = [&](double powers) {
    return Fitting(law_.alpha, summary, powers, parameters_.score_exponent).weight_exponent;
  };
  return least > 0 && exponent(least) == parameters_.weight_exponent &&
         exponent(most) == parameters_.weight_exponent;
}

Leaf LeafScale::Encode(double score, bool* clamped) const {
  const double power = Power(law_, std::isnan(score) ? parameters_.unscored : score);
  const double weight = power * law_.weight_factor;
  *clamped = weight > 0 && weight < 0.5;
  return EncodeLeaf(weight, clamped);
}

LeafScale ScaleOfValues(uint64_t n, double sum, double largest) {
  ScoreSums sums;
  sums.scored = n;
  sums.lanes[0] = sum;
  sums.largest = largest;
  const ScoreSummary summary = Summarise(sums, n, Guard{});
  return {1, summary, LeafScale(1, summary, 0).SumPowers(absl::MakeConstSpan(sums.lanes))};
}

}  // namespace subset::sampling
