// A 16-bit leaf of the weight index: 4-bit exponent e, 12-bit mantissa m. Its integer weight is m for
// e = 0 and (4096 + m) << (e - 1) otherwise: 0 .. 2^27 - 2^14, exact below 8192, then within 2^-13.
// Leaves order as their weights do.

#ifndef SUBSET_SAMPLING_LEAF_H_
#define SUBSET_SAMPLING_LEAF_H_

#include <cstdint>

namespace subset::sampling {

using Leaf = uint16_t;

inline constexpr uint32_t kMaxLeafWeight = uint32_t{0x1fff} << 14;

// Returns the integer weight of a leaf.
constexpr uint32_t LeafWeight(Leaf leaf) {
  const uint32_t e = leaf >> 12;
  const uint32_t m = leaf & 0xfff;
  return e == 0 ? m : (0x1000 | m) << (e - 1);
}

// Returns the leaf nearest to `weight` >= 0 (ties to the even leaf). A positive weight never becomes
// 0; one above kMaxLeafWeight becomes the largest leaf and sets *clamped.
Leaf EncodeLeaf(double weight, bool* clamped);

// 2^x and log2(x), x > 0, from this file's own polynomials: the same bits on every machine. Relative
// (exp2) and absolute (log2) error below 1e-14.
double PortableExp2(double x);
double PortableLog2(double x);

// Returns base^exponent for base >= 0, with 0^0 = 0 (a zero score has zero preference).
double PortablePow(double base, double exponent);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_H_
