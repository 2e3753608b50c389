// Pearson's statistic of counts against what was expected, as a number of standard deviations.

#ifndef SUBSET_TESTS_SAMPLING_CHI_SQUARE_H_
#define SUBSET_TESTS_SAMPLING_CHI_SQUARE_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace subset::sampling {

// A standard normal exceeds this in absolute value with probability 1e-6.
inline constexpr double kOneInAMillion = 4.892;

// Wilson and Hilferty: (chi2 / df)^(1/3) is close to normal. Good to a percent of a standard
// deviation from 20 degrees of freedom.
inline double ChiSquareScore(double chi2, double df) {
  return (std::cbrt(chi2 / df) - (1 - 2 / (9 * df))) / std::sqrt(2 / (9 * df));
}

// The score of `counts` against `expected`, which may not be 0 where something is counted. Cells
// that expect less than 5 are put together. `scale` multiplies the statistic, `lost` is how many
// degrees of freedom the sums fix.
inline double ChiSquareScore(const std::vector<uint64_t>& counts,
                             const std::vector<double>& expected, double scale = 1,
                             double lost = 1) {
  double chi2 = 0;
  double cells = 0;
  double rare_count = 0;
  double rare_expected = 0;
  const auto add = [&](double count, double expectation) {
    chi2 += (count - expectation) * (count - expectation) / expectation;
    ++cells;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<double>(counts[i]);
    if (expected[i] >= 5) {
      add(count, expected[i]);
    } else if (expected[i] > 0) {
      rare_count += count;
      rare_expected += expected[i];
    } else if (count > 0) {
      return INFINITY;
    }
  }
  if (rare_expected >= 5) add(rare_count, rare_expected);
  return ChiSquareScore(chi2 * scale, cells - lost);
}

}  // namespace subset::sampling

#endif  // SUBSET_TESTS_SAMPLING_CHI_SQUARE_H_
