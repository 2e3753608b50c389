#include "sampling/exact_mean.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace subset::sampling {
namespace {

constexpr int kLeastExponent = -149;  // of a float
constexpr int kDigitBits = 32;
constexpr int64_t kDigit = int64_t{1} << kDigitBits;

constexpr size_t kBlock = 1024;
constexpr size_t kLanes = 16;
// As many octaves as a double holds all sums of a block of: 53 bits are 10 for the block and 24 for
// a float, and each further octave is one more.
constexpr int kOctaves = 20;

struct BlockSum {
  double sum = 0;       // of the values with a magnitude in [2^(top - kOctaves), 2^top); exact
  float rest = 0;       // the largest magnitude below those
  float largest = 0;    // the largest of all
  uint64_t scored = 0;  // values that are not NaN
};

// Loops by lanes, so that the compiler makes vectors of them.
BlockSum SumBelow(int top, const float* block) {
  const float bound = std::ldexp(1.0f, top);
  const float least = std::ldexp(1.0f, top - kOctaves);
  float taken[kBlock];
  float rest[kLanes] = {};
  float largest[kLanes] = {};
  uint32_t scored[kLanes] = {};
  for (size_t k = 0; k < kBlock; k += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = block[k + lane];
      const float magnitude = std::fabs(value);
      const float below = magnitude < least ? magnitude : 0;
      const bool in = (magnitude >= least) & (magnitude < bound);
      taken[k + lane] = in ? value : 0;
      rest[lane] = below > rest[lane] ? below : rest[lane];
      largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
      scored[lane] += value == value;
    }
  }
  double sums[kLanes] = {};
  for (size_t k = 0; k < kBlock; k += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) sums[lane] += taken[k + lane];
  }
  BlockSum all;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    all.sum += sums[lane];
    all.rest = std::max(all.rest, rest[lane]);
    all.largest = std::max(all.largest, largest[lane]);
    all.scored += scored[lane];
  }
  return all;
}

// Returns the least power of two above a magnitude.
int TopOf(float magnitude) {
  int top;
  std::frexp(magnitude, &top);
  return top;
}

// The unit of the sums below 2^top: of the last place of the least of its values.
int UnitOf(int top) { return std::max(top - kOctaves - 23, kLeastExponent); }

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
  for (; values.size() >= kBlock; values.remove_prefix(kBlock)) AddBlock(values.data());
  if (!values.empty()) {
    float block[kBlock];
    std::fill(std::copy(values.begin(), values.end(), block), block + kBlock,
              std::numeric_limits<float>::quiet_NaN());
    AddBlock(block);
  }
  Carry();
}

void ExactMean::Add(const ExactMean& other) {
  for (size_t d = 0; d < kDigits; ++d) digits_[d] += other.digits_[d];
  count_ += other.count_;
  Carry();
}

void ExactMean::AddBlock(const float* block) {
  BlockSum some = SumBelow(top_, block);
  const int top = TopOf(some.largest);
  if (top > top_ || (top < top_ && some.rest > 0)) {
    top_ = top;
    some = SumBelow(top_, block);
  }
  count_ += some.scored;
  for (int below = top_;; below = TopOf(some.rest), some = SumBelow(below, block)) {
    const int unit = UnitOf(below);
    AddUnits(static_cast<int64_t>(std::ldexp(some.sum, -unit)), unit - kLeastExponent);
    if (some.rest == 0) return;
  }
}

// Adds value * 2^shift units. The digits take 2^31 of these before Carry.
void ExactMean::AddUnits(int64_t value, int shift) {
  const size_t first = shift / kDigitBits;
  const __int128 wide = static_cast<__int128>(value) * (int64_t{1} << (shift % kDigitBits));
  digits_[first] += static_cast<int64_t>(wide & (kDigit - 1));
  digits_[first + 1] += static_cast<int64_t>(wide >> kDigitBits & (kDigit - 1));
  digits_[first + 2] += static_cast<int64_t>(wide >> (2 * kDigitBits));
}

void ExactMean::Carry() {
  int64_t carry = 0;
  for (int64_t& digit : digits_) {
    digit += carry;
    if (&digit == &digits_.back()) return;
    carry = digit >> kDigitBits;
    digit &= kDigit - 1;
  }
}

// Whether sum - count * t <= 0.
bool ExactMean::MeanIsAtMost(float t) const {
  int exponent;
  std::frexp(t, &exponent);
  const int unit = std::max(exponent - 24, kLeastExponent);
  ExactMean difference = *this;
  difference.AddUnits(-static_cast<int64_t>(count_) * static_cast<int64_t>(std::ldexp(t, -unit)),
                      unit - kLeastExponent);
  difference.Carry();
  const auto& digits = difference.digits_;
  return digits.back() < 0 ||
         std::all_of(digits.begin(), digits.end(), [](int64_t digit) { return digit == 0; });
}

float ExactMean::LeastNotBelow() const {
  int64_t high = Rank(std::numeric_limits<float>::max());
  int64_t low = -high - 1;
  while (high - low > 1) {  // low is below the mean, or before all floats; high is not
    const int64_t middle = low + (high - low) / 2;
    (MeanIsAtMost(FromRank(middle)) ? high : low) = middle;
  }
  return FromRank(high);
}

}  // namespace subset::sampling
