#include "sampling/leaf.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "sampling/leaf_math.h"

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
  if (x >= -1000 && x <= 1000) return leaf_internal::Exp2(x);
  const double whole = std::floor(x + 0.5);
  const double r = x - whole;  // exact, |r| <= 1/2
  return std::ldexp(leaf_internal::Exp2Polynomial(r), static_cast<int>(whole));
}

double PortableLog2(double x) {
  if (!(x > 0)) {
    return x == 0 ? -std::numeric_limits<double>::infinity()
                  : std::numeric_limits<double>::quiet_NaN();
  }
  if (x > std::numeric_limits<double>::max()) return x;
  if (x >= std::numeric_limits<double>::min()) return leaf_internal::Log2(x);
  int exponent;
  double m = std::frexp(x, &exponent);
  if (m < leaf_internal::kSqrtHalf) {
    m = m * 2;
    --exponent;
  }
  return leaf_internal::Log2Polynomial(m) + exponent;
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
