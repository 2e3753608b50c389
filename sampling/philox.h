// Counter-based randomness: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). Bits are a function of (key, counter); there is no state to store.

#ifndef SUBSET_SAMPLING_PHILOX_H_
#define SUBSET_SAMPLING_PHILOX_H_

#include <array>
#include <cstdint>

namespace subset::sampling {

using PhiloxKey = std::array<uint32_t, 2>;
using PhiloxBlock = std::array<uint32_t, 4>;

// What a stream of random bits is for; values are part of the format and never reused.
enum class Purpose : uint32_t {
  kSlotOrder = 1,     // the order of an epoch's slots
  kCellOrder = 2,     // which members of a cell fill its slots
  kDraw = 3,          // draws with replacement
  kRounding = 4,      // shares into whole numbers of slots
};

// The address of a stream. Uids are not part of it: a copy of a run draws the same.
struct StreamKey {
  uint64_t seed = 0;
  uint64_t sampler_version = 0;
  uint64_t epoch = 0;
};

// Returns the key of the stream (key, purpose, sub).
PhiloxKey DeriveKey(const StreamKey& key, Purpose purpose, uint64_t sub = 0);

// Returns 128 bits.
PhiloxBlock Philox(const PhiloxKey& key, uint64_t counter_low, uint64_t counter_high = 0);

// Returns an integer uniform in [0, n) without bias: n in [1, 2^64). `counter` is the address of the
// draw; rejected candidates take further blocks of the same address.
uint64_t UniformInt(const PhiloxKey& key, uint64_t counter, uint64_t n);

// Returns 53 uniform bits in [0, 1).
double UniformDouble(const PhiloxKey& key, uint64_t counter);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PHILOX_H_
