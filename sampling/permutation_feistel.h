// The Feistel network of permutation.h. Internal.
//
// A number below a * b is a pair (left, right) = (x / b, x % b). A round adds to one half a keyed
// function of the other, modulo that half's radix, so each round is a bijection and so is their
// chain (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). a * b may exceed
// n by less than a: images outside [0, n) are mapped again until they fall inside (cycle walking),
// which is a bijection of [0, n).
//
// Why 6 rounds: the distance between the images of two positions a row apart, over 10^8 keys, is
// uniform by chi-square in 4,096 cells (z below 2 from n = 65,537 on); with 4 rounds 4 * 10^5 keys
// give z = 10.

#ifndef SUBSET_SAMPLING_PERMUTATION_FEISTEL_H_
#define SUBSET_SAMPLING_PERMUTATION_FEISTEL_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace subset::sampling::permutation_internal {

inline constexpr int kRounds = 6;       // even
inline constexpr uint32_t kStep = 256;  // positions that a loop takes at once; at most b

// Halves are below 65,536, so a round is arithmetic on 16-bit lanes. Radices are at most 65,536,
// which 16 bits hold as 0: what is computed modulo 2^16 is right all the same.
struct FeistelNetwork {
  uint64_t n = 0;
  uint32_t left_radix = 0;   // a
  uint32_t right_radix = 0;  // b
  // Of each round's function.
  std::array<uint16_t, kRounds> multipliers{};  // odd
  std::array<uint16_t, kRounds> addends{};
  std::array<uint16_t, kRounds> mixers{};  // odd
};

// Returns the round's function of `half`, in [0, radix - 1).
inline uint32_t RoundFunction(const FeistelNetwork& network, int round, uint32_t half,
                              uint32_t radix) {
  uint32_t x = (half * network.multipliers[round] + network.addends[round]) & 0xffff;
  x ^= x >> 8;
  x = (x * network.mixers[round]) & 0xffff;
  return x * (radix - 1) >> 16;
}

// Returns the image of x < n.
inline uint32_t Apply(const FeistelNetwork& network, uint32_t x) {
  const uint32_t a = network.left_radix;
  const uint32_t b = network.right_radix;
  do {
    uint32_t left = x / b;
    uint32_t right = x % b;
    for (int i = 0; i < kRounds; i += 2) {
      left += RoundFunction(network, i, right, a);
      if (left >= a) left -= a;
      right += RoundFunction(network, i + 1, left, b);
      if (right >= b) right -= b;
    }
    x = left * b + right;
  } while (x >= network.n);
  return x;
}

// Maps the images outside [0, n) again until they fall inside.
inline void WalkInside(const FeistelNetwork& network, absl::Span<uint32_t> images) {
  for (uint32_t& image : images) {
    if (image >= network.n) image = Apply(network, image);
  }
}

// FillLoop and MapLoop of permutation_loops.inc, for the instruction set in their name.
void FillAvx2(const FeistelNetwork& network, uint64_t first, size_t steps, uint32_t* out);
void FillAvx512(const FeistelNetwork& network, uint64_t first, size_t steps, uint32_t* out);
void MapAvx2(const FeistelNetwork& network, size_t steps, uint32_t* positions);
void MapAvx512(const FeistelNetwork& network, size_t steps, uint32_t* positions);

}  // namespace subset::sampling::permutation_internal

#endif  // SUBSET_SAMPLING_PERMUTATION_FEISTEL_H_
