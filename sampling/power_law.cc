#include "sampling/power_law.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/leaf_math.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kLeastNormal = 0x00800000;  // of the bits of floats > 0
constexpr uint32_t kInfinity = 0x7f800000;
constexpr int kMantissaBits = 23;
constexpr int kBias = 127;
constexpr double kMaxAlpha = 4;    // four terms of the series do
constexpr int kMaxExponent = 512;  // of the factors

// Of (1 + r)^alpha.
void SetSeries(double alpha, QuickLaw* quick) {
  const double square = alpha * (alpha - 1) / 2;
  quick->series[0] = static_cast<float>(alpha);
  quick->series[1] = static_cast<float>(square);
  quick->series[2] = static_cast<float>(square * (alpha - 2) / 3);
}

void SetCells(double alpha, QuickLaw* quick) {
  for (size_t c = 0; c < QuickLaw::kCells; ++c) {
    const double middle = 1 + (static_cast<double>(c) + .5) / QuickLaw::kCells;
    quick->inverses[c] = static_cast<float>(1 / middle);
    quick->powers[c] = static_cast<float>(PortablePow(1.0 / quick->inverses[c], alpha));
  }
}

// 32 octaves around the scores of weight 2^18, which is near the mean.
void SetOctaves(QuickLaw* quick) {
  constexpr int kBelow = 20;
  constexpr int kLast = 254 - kBias - static_cast<int>(QuickLaw::kOctaves) + 1;
  const double alpha = quick->exact.alpha;
  const double middle = (18 - quick->weight_exponent) / alpha - quick->score_exponent;
  const int first = static_cast<int>(std::clamp<double>(middle - kBelow, 1 - kBias, kLast));
  for (int e = first; e < first + static_cast<int>(QuickLaw::kOctaves); ++e) {
    const double power = PortableExp2(alpha * (e + quick->score_exponent) + quick->weight_exponent);
    const size_t at = static_cast<size_t>(e + kBias) % QuickLaw::kOctaves;
    // What is outside of this is outside of [1, 2^26) either way.
    quick->octaves[at] = static_cast<float>(std::clamp(power, 0x1p-100, 0x1p100));
  }
  quick->first_bits = static_cast<uint32_t>(first + kBias) << kMantissaBits;
  quick->num_bits = static_cast<uint32_t>(QuickLaw::kOctaves) << kMantissaBits;
}

}  // namespace

QuickLaw::QuickLaw(const PowerLaw& law)
    : exact(law),
      is_power(law.alpha != 1),
      factor(static_cast<float>(law.score_factor * law.weight_factor)),
      score_exponent(std::ilogb(law.score_factor)),
      weight_exponent(std::ilogb(law.weight_factor)) {
  const double unscored = std::nan("");
  Leaf leaf;
  const bool clamped = EncodeLeaves(law, {&unscored, 1}, {&leaf, 1}) > 0;
  unscored_leaf = leaf;
  applies = !clamped && law.alpha <= kMaxAlpha && std::abs(score_exponent) <= kMaxExponent &&
            std::abs(weight_exponent) <= kMaxExponent;
  if (!applies) return;
  if (!is_power) {
    first_bits = kLeastNormal;
    num_bits = kInfinity - kLeastNormal;
    off = 1;
    return;
  }
  alpha = static_cast<float>(law.alpha);
  alpha_high = leaf_internal::FromBits(leaf_internal::BitsOf(alpha) & 0xfffff000);
  alpha_low = static_cast<float>(law.alpha - alpha_high);
  SetSeries(law.alpha, this);
  SetCells(law.alpha, this);
  SetOctaves(this);
  // Without tables, powers are off by 3.4 alpha + 6.3 units at most. With them by 2 alpha + 8: two
  // tables, the series and two products are rounded.
  off = static_cast<uint32_t>(4 * law.alpha) + 9;
}

}  // namespace subset::sampling
