// One draw in each of k equal parts of the mass, for a global batch of k (prioritized replay's
// minibatch): counts vary less than those of independent draws, and expect the same.

#ifndef SUBSET_SAMPLING_JITTER_H_
#define SUBSET_SAMPLING_JITTER_H_

#include <cstdint>

#include "sampling/philox.h"

namespace subset::sampling {

// A number uniform in one part of [0, 1), walked down through nested choices: each takes the
// leading part of it and leaves what is uniform given that. 128 bits; the probability of a choice
// is off by less than 2^-60 of itself. Not thread-safe.
class JitteredNumber {
 public:
  // Uniform in [part / parts, (part + 1) / parts).
  JitteredNumber(const PhiloxBlock& bits, uint64_t part, uint64_t parts) {
    rest_ = Join(BlockHigh(bits), BlockLow(bits));
    Widen(part, parts);
  }

  // Returns floor(x n) and leaves the fraction.
  uint64_t Take(uint64_t n) {
    const unsigned __int128 low = Product(static_cast<uint64_t>(rest_), n);
    const unsigned __int128 high = Product(static_cast<uint64_t>(rest_ >> 64), n) + (low >> 64);
    rest_ = (high << 64) | static_cast<uint64_t>(low);
    return static_cast<uint64_t>(high >> 64);
  }

  // Leaves (offset + x) / width, for an offset < width inside a choice of `width` units: what is
  // left of it is then uniform over the choice.
  void Widen(uint64_t offset, uint64_t width) {
    const unsigned __int128 high = Join(offset, static_cast<uint64_t>(rest_ >> 64));
    const unsigned __int128 low =
        Join(static_cast<uint64_t>(high % width), static_cast<uint64_t>(rest_));
    rest_ = (high / width << 64) | (low / width);
  }

 private:
  static unsigned __int128 Join(uint64_t high, uint64_t low) {
    return static_cast<unsigned __int128>(high) << 64 | low;
  }
  static unsigned __int128 Product(uint64_t a, uint64_t b) {
    return static_cast<unsigned __int128>(a) * b;
  }

  unsigned __int128 rest_;  // x * 2^128
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_JITTER_H_
