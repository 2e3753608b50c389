// A 16-bit leaf of the weight index: 4-bit exponent e, 12-bit mantissa m. Its integer weight is m
// for e = 0 and (4096 + m) << (e - 1) otherwise: 0 .. 2^27 - 2^14, exact below 8192, then within
// 2^-13. Leaves order as their weights do.

#ifndef SUBSET_SAMPLING_LEAF_H_
#define SUBSET_SAMPLING_LEAF_H_

#include <cstdint>

namespace subset::sampling {

using Leaf = uint16_t;

inline constexpr uint32_t kMaxLeafWeight = uint32_t{0x1fff} << 14;

// Returns the integer weight of a leaf.
constexpr uint32_t LeafWeight(Leaf leaf) {
  const uint32_t e = leaf >> 12;
  const uint32_t has_leading_bit = e != 0;  // arithmetic, not a branch: it is not predictable
  return (has_leading_bit << 12 | (leaf & 0xfff)) << (e - has_leading_bit);
}

// Returns the leaf nearest to `weight` >= 0 (ties to the even leaf). A positive weight never
// becomes 0; one above kMaxLeafWeight becomes the largest leaf and sets *clamped, which is
// otherwise left alone. NaN and negative numbers give 0.
Leaf EncodeLeaf(double weight, bool* clamped);

// 2^x and log2(x), x > 0, from this file's own polynomials: the same bits on every machine.
// Relative error of exp2 below 1e-15 in the normal range; absolute error of log2 below 1e-15 plus
// one unit in the last place of the result. Out-of-range and special arguments as std::exp2 and
// std::log2.
double PortableExp2(double x);
double PortableLog2(double x);

// Returns 2^x - 1 with a relative error below 1e-14, near 0 too. Special arguments as PortableExp2.
double PortableExp2m1(double x);

// Returns base^exponent for base >= 0, with 0^0 = 0 (a zero score has zero preference). Relative
// error below 1e-13 where |exponent * log2(base)| <= 64; base^1 is exact.
double PortablePow(double base, double exponent);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_H_
