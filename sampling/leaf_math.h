// The polynomials of leaf.cc, inline, so that loops over many numbers share them. Only +, -, *, /
// on doubles: IEEE 754 fixes their bits, in vectors too.

#ifndef SUBSET_SAMPLING_LEAF_MATH_H_
#define SUBSET_SAMPLING_LEAF_MATH_H_

namespace subset::sampling::leaf_internal {

// Also into functions for other instruction sets.
#define SUBSET_ALWAYS_INLINE __attribute__((always_inline)) inline

inline constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;

// 2^r, |r| <= 1/2.
SUBSET_ALWAYS_INLINE double Exp2Polynomial(double r) {
  // ln(2)^k / k!; the first term left out is below 2^-57 of the sum.
  double p = 0x1.816193166d0f9p-40;
  p = p * r + 0x1.c3bd650fc2986p-36;
  p = p * r + 0x1.e8cac7351bb25p-32;
  p = p * r + 0x1.e4cf5158b8ecap-28;
  p = p * r + 0x1.b5253d395e7c4p-24;
  p = p * r + 0x1.62c0223a5c824p-20;
  p = p * r + 0x1.ffcbfc588b0c7p-17;
  p = p * r + 0x1.430912f86c787p-13;
  p = p * r + 0x1.5d87fe78a6731p-10;
  p = p * r + 0x1.3b2ab6fba4e77p-7;
  p = p * r + 0x1.c6b08d704a0c0p-5;
  p = p * r + 0x1.ebfbdff82c58fp-3;
  p = p * r + 0x1.62e42fefa39efp-1;
  return p * r + 1.0;
}

// log2(m), sqrt(1/2) <= m < sqrt(2).
SUBSET_ALWAYS_INLINE double Log2Polynomial(double m) {
  // log2(m) = 2 / ln 2 * (s + s^3 / 3 + s^5 / 5 + ...), |s| <= 0.1716.
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 0x1.00ecd7e080215p-3;  // 2 / ln 2 / 23
  p = p * z + 0x1.1964ec6fc9491p-3;
  p = p * z + 0x1.3703c1f4d0ffep-3;
  p = p * z + 0x1.5b9ac9b743f0dp-3;
  p = p * z + 0x1.89f3b1694cffep-3;
  p = p * z + 0x1.c68f568d31760p-3;
  p = p * z + 0x1.0c9a84994022dp-2;
  p = p * z + 0x1.484b13d7c02a9p-2;
  p = p * z + 0x1.a61762a7aded9p-2;
  p = p * z + 0x1.2776c50ef9bfep-1;
  p = p * z + 0x1.ec709dc3a03fdp-1;
  p = p * z + 0x1.71547652b82fep+1;
  return p * s;
}

}  // namespace subset::sampling::leaf_internal

#endif  // SUBSET_SAMPLING_LEAF_MATH_H_
