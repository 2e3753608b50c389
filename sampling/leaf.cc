#include "sampling/leaf.h"

#include <cmath>
#include <cstring>
#include <limits>

// Only +, -, *, / on doubles and functions with exact results (floor, frexp, ldexp) below: IEEE 754
// fixes their bits, and the build forbids fused multiply-add contraction.

namespace subset::sampling {

Leaf EncodeLeaf(double weight, bool* clamped) {
  if (!(weight > 0)) return 0;
  if (weight < 8192) {
    // Adding 2^52 leaves no bits below one: round to nearest, ties to even.
    const double rounded = (weight + 0x1p52) - 0x1p52;
    return rounded < 1 ? 1 : static_cast<Leaf>(rounded);
  }
  if (weight > kMaxLeafWeight) {
    *clamped = true;
    return 0xffff;
  }
  // The exponent and the upper 12 bits of the mantissa, rounded to nearest even; a carry out of the
  // mantissa goes into the exponent, as it should.
  uint64_t bits;
  std::memcpy(&bits, &weight, sizeof(bits));
  constexpr int kDropped = 40;
  bits += (uint64_t{1} << (kDropped - 1)) - 1 + ((bits >> kDropped) & 1);
  constexpr uint64_t kExponentBias = 1023 + 11;  // 2^12 has e = 1
  return static_cast<Leaf>((bits >> kDropped) - (kExponentBias << 12));
}

double PortableExp2(double x) {
  if (!(x < 1025)) return x >= 1025 ? std::numeric_limits<double>::infinity() : x;
  if (x < -1076) return 0;
  const double whole = std::floor(x + 0.5);
  const double r = x - whole;  // exact, |r| <= 1/2
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
  p = p * r + 1.0;
  return std::ldexp(p, static_cast<int>(whole));
}

double PortableLog2(double x) {
  if (!(x > 0)) {
    return x == 0 ? -std::numeric_limits<double>::infinity()
                  : std::numeric_limits<double>::quiet_NaN();
  }
  if (x > std::numeric_limits<double>::max()) return x;
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < 0x1.6a09e667f3bcdp-1) {  // sqrt(1/2)
    m = m * 2;
    --exponent;
  }
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
  return p * s + exponent;
}

double PortableExp2m1(double x) {
  if (!(x > -0.5 && x < 0.5)) return PortableExp2(x) - 1;
  const double y = x * 0x1.62e42fefa39efp-1;  // ln 2
  double sum = 1;                             // of (e^y - 1) / y, from the last term in
  for (int k = 15; k >= 2; --k) sum = 1 + sum * y / k;
  return y * sum;
}

double PortablePow(double base, double exponent) {
  if (base == 0) return 0;
  if (exponent == 1) return base;
  return PortableExp2(exponent * PortableLog2(base));
}

}  // namespace subset::sampling
