// The polynomials of leaf.cc, inline, so that loops over many numbers share them. Only +, -, *, /
// on doubles: IEEE 754 fixes their bits, in vectors too.

#ifndef SUBSET_SAMPLING_LEAF_MATH_H_
#define SUBSET_SAMPLING_LEAF_MATH_H_

#include <cstdint>
#include <cstring>

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

// Added to 0 <= x < 2^52, it leaves round(x) in the low bits.
inline constexpr double kTwo52 = 0x1p52;

// std::bit_cast of C++20.
template <typename To, typename From>
SUBSET_ALWAYS_INLINE To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}
SUBSET_ALWAYS_INLINE uint64_t BitsOf(double x) { return BitCast<uint64_t>(x); }
SUBSET_ALWAYS_INLINE uint32_t BitsOf(float x) { return BitCast<uint32_t>(x); }
SUBSET_ALWAYS_INLINE double FromBits(uint64_t bits) { return BitCast<double>(bits); }
SUBSET_ALWAYS_INLINE float FromBits(uint32_t bits) { return BitCast<float>(bits); }

// One of two, by bits: the compiler makes branches of other selections.
SUBSET_ALWAYS_INLINE uint64_t Select(bool condition, uint64_t yes, uint64_t no) {
  const uint64_t mask = -static_cast<uint64_t>(condition);
  return (yes & mask) | (no & ~mask);
}
SUBSET_ALWAYS_INLINE uint32_t Select(bool condition, uint32_t yes, uint32_t no) {
  const uint32_t mask = -static_cast<uint32_t>(condition);
  return (yes & mask) | (no & ~mask);
}
SUBSET_ALWAYS_INLINE double Select(bool condition, double yes, double no) {
  return FromBits(Select(condition, BitsOf(yes), BitsOf(no)));
}
SUBSET_ALWAYS_INLINE float Select(bool condition, float yes, float no) {
  return FromBits(Select(condition, BitsOf(yes), BitsOf(no)));
}

// log2 of a normal number.
SUBSET_ALWAYS_INLINE double Log2(double x) {
  constexpr uint64_t kMantissa = (uint64_t{1} << 52) - 1;
  const uint64_t bits = BitsOf(x);
  const double m = FromBits((bits & kMantissa) | BitsOf(0.5));  // in [1/2, 1)
  const double exponent = FromBits((bits >> 52) | BitsOf(kTwo52)) - (kTwo52 + 1022);
  const double low = Select(m < kSqrtHalf, 1.0, 0.0);
  return Log2Polynomial(m + low * m) + (exponent - low);
}

// 2^x, |x| <= 1000.
SUBSET_ALWAYS_INLINE double Exp2(double x) {
  constexpr double kRound = 0x1.8p52;  // added to |x| < 2^51, it leaves round(x) in the low bits
  const double up = (x + 0.5 + kRound) - kRound;
  const double whole = up - Select(up > x + 0.5, 1.0, 0.0);  // floor(x + 0.5)
  return FromBits(BitsOf(Exp2Polynomial(x - whole)) + (BitsOf(whole + kRound) << 52));
}

}  // namespace subset::sampling::leaf_internal

#endif  // SUBSET_SAMPLING_LEAF_MATH_H_
