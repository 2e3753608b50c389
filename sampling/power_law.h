// The law from scores to weights, (score * score_factor)^alpha * weight_factor, and the same in
// floats with tables, for leaves by the thousand.

#ifndef SUBSET_SAMPLING_POWER_LAW_H_
#define SUBSET_SAMPLING_POWER_LAW_H_

#include <cstddef>
#include <cstdint>

namespace subset::sampling {

// The weight of a score > 0: (score * score_factor)^alpha * weight_factor; 0 of another score.
struct PowerLaw {
  double alpha = 1;
  double score_factor = 1;   // a power of two
  double weight_factor = 1;  // likewise
  double unscored = 1;       // the score that NaN stands for
  // What is raised to an alpha that is not 1 is kept between these, so that powers are within
  // 2^-1000 .. 2^1000; where it is 1, the least is 0.
  double least_base = 0;
  double largest_base = 1;
};

// A law in floats: weights in [1, 2^26) are known within `off` units of the last place. A leaf has
// 13 bits, so that this settles nearly every one. What needs no table is all in `alpha` and
// exponents.
struct QuickLaw {
  QuickLaw() = default;  // does not apply
  explicit QuickLaw(const PowerLaw& law);

  PowerLaw exact;
  bool applies = false;   // else floats go by `exact`, as doubles
  bool is_power = false;  // alpha is not 1; where it is, a weight is the score times `factor`
  float factor = 1;
  uint32_t off = 0;
  uint32_t unscored_leaf = 0;

  int32_t score_exponent = 0;  // of the law's factors
  int32_t weight_exponent = 0;
  float alpha = 1;
  float alpha_high = 1;  // its 12 leading bits,
  float alpha_low = 0;   // and the rest

  // Tables, for who can look them up in registers. A score is m * 2^e with m in [1, 2). Its weight
  // is octaves[e mod 32] * m^alpha, and m^alpha is powers[c] * (1 + r)^alpha, where c is the cell
  // of m, one of 32 alike in [1, 2), and 1 + r = m * inverses[c]: |r| <= 2^-6, so that four terms
  // of the binomial series do.
  static constexpr size_t kCells = 32;
  static constexpr size_t kOctaves = 32;
  float octaves[kOctaves] = {};
  float inverses[kCells] = {};
  float powers[kCells] = {};
  float series[3] = {};     // the coefficients of r, r^2 and r^3
  uint32_t first_bits = 0;  // the tables hold scores of the bits first_bits .. + num_bits - 1: of
  uint32_t num_bits = 0;    // normal numbers > 0
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_POWER_LAW_H_
