#include "sampling/exact_mean.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace subset::sampling {
namespace {

struct Parts {
  int exponent;      // field, 1 .. 254; 255 for NaN
  int64_t mantissa;  // signed, with the implicit bit
};

Parts Split(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const int field = (bits >> 23) & 0xff;
  int64_t mantissa = bits & 0x7fffff;
  if (field > 0) mantissa |= 0x800000;
  return {field > 0 ? field : 1, (bits >> 31) != 0 ? -mantissa : mantissa};
}

// Floats as integers in the same order; one apart where no float lies between.
int64_t Rank(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits >= 0 ? bits : -static_cast<int64_t>(bits & 0x7fffffff);
}

float FromRank(int64_t rank) {
  const uint32_t bits =
      rank >= 0 ? static_cast<uint32_t>(rank) : static_cast<uint32_t>(-rank) | 0x80000000u;
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace

void ExactMean::Add(absl::Span<const float> values) {
  uint64_t missing = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const Parts parts = Split(values[k]);
    turns_[k % kTurns][parts.exponent] += parts.mantissa;
    missing += parts.exponent == kExponents;
  }
  count_ += values.size() - missing;
}

void ExactMean::Add(const ExactMean& other) {
  for (int turn = 0; turn < kTurns; ++turn) {
    for (int e = 0; e < kExponents; ++e) turns_[turn][e] += other.turns_[turn][e];
  }
  count_ += other.count_;
}

bool ExactMean::AtMost(const Sums& sums, uint64_t count, float t) {
  // The sign of sum - count * t, carried from the lowest exponent upwards: value = carry * 2^e plus
  // a fraction in [0, 2^e) that is 0 exactly if no bit was dropped.
  const Parts parts = Split(t);
  const int64_t subtrahend = static_cast<int64_t>(count) * parts.mantissa;
  int64_t carry = 0;
  bool fraction = false;
  for (int e = 1; e < kExponents; ++e) {
    fraction |= (carry & 1) != 0;
    carry = (carry >> 1) + sums[e] - (e == parts.exponent ? subtrahend : 0);
  }
  return carry < 0 || (carry == 0 && !fraction);
}

float ExactMean::LeastNotBelow() const {
  Sums sums{};
  for (const Sums& turn : turns_) {
    for (int e = 0; e < kExponents; ++e) sums[e] += turn[e];
  }
  const auto at_most = [&](int64_t rank) { return AtMost(sums, count_, FromRank(rank)); };
  double approximate = 0;
  for (int e = 1; e < kExponents; ++e) {
    approximate += std::ldexp(static_cast<double>(sums[e]), e - 150);
  }
  approximate /= static_cast<double>(count_);
  // Nearly always the answer is next to the approximation; steps double where sums cancelled.
  const int64_t guess = Rank(static_cast<float>(approximate));
  const int64_t limit = Rank(std::numeric_limits<float>::max());
  int64_t low = guess;   // becomes below the mean (or the sentinel before all floats)
  int64_t high = guess;  // becomes at or above it
  if (at_most(guess)) {
    for (int64_t step = 1; low >= -limit && at_most(low); step *= 2) {
      high = low;
      low = std::max(low - step, -limit - 1);
    }
  } else {
    for (int64_t step = 1; high < limit && !at_most(high); step *= 2) {
      low = high;
      high = std::min(high + step, limit);
    }
  }
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (at_most(middle) ? high : low) = middle;
  }
  return FromRank(high);
}

}  // namespace subset::sampling
