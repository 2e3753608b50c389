// Bits from bytes, which loops that the compiler makes vectors of write more readily.

#ifndef SUBSET_SAMPLING_PACK_BITS_H_
#define SUBSET_SAMPLING_PACK_BITS_H_

#include <cstdint>
#include <cstring>

namespace subset::sampling {

// Returns bits 0 .. 63 from 64 bytes that are 0 or 1.
inline uint64_t PackBits(const uint8_t* bytes) {
  constexpr uint64_t kGather = 0x0102040810204080;  // brings bit 8 k to bit 56 + k
  uint64_t bits = 0;
  for (int k = 0; k < 8; ++k) {
    uint64_t eight;
    std::memcpy(&eight, bytes + 8 * k, sizeof(eight));
    bits |= (eight * kGather >> 56) << (8 * k);
  }
  return bits;
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PACK_BITS_H_
