// Random bits for batches drawn here: Philox4x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011), which numpy has too, so that both clients draw the same.

#ifndef SUBSET_CLIENT_CPP_PHILOX_H_
#define SUBSET_CLIENT_CPP_PHILOX_H_

#include <array>
#include <cstdint>

namespace subset::client_internal {

using PhiloxKey = std::array<uint64_t, 2>;
using PhiloxBlock = std::array<uint64_t, 4>;

// Returns the high half of the 128-bit product.
constexpr uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}

// Returns 256 bits: a function of (key, counter), low words first.
constexpr PhiloxBlock Philox(PhiloxKey key, PhiloxBlock counter) {
  constexpr uint64_t kMultiplier0 = 0xD2E7470EE14C6C93, kMultiplier1 = 0xCA5A826395121157;
  constexpr uint64_t kWeyl0 = 0x9E3779B97F4A7C15, kWeyl1 = 0xBB67AE8584CAA73B;
  for (int round = 0; round < 10; ++round) {
    counter = {
        MultiplyHigh(kMultiplier1, counter[2]) ^ counter[1] ^ key[0], kMultiplier1 * counter[2],
        MultiplyHigh(kMultiplier0, counter[0]) ^ counter[3] ^ key[1], kMultiplier0 * counter[0]};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_PHILOX_H_
