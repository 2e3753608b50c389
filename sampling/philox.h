// Counter-based randomness: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). Bits are a function of (key, counter); there is no state to store.

#ifndef SUBSET_SAMPLING_PHILOX_H_
#define SUBSET_SAMPLING_PHILOX_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace subset::sampling {

using PhiloxKey = std::array<uint32_t, 2>;
using PhiloxBlock = std::array<uint32_t, 4>;

// What a stream of random bits is for; values are part of the format and never reused.
enum class Purpose : uint32_t {
  kSlotOrder = 1,     // the order of an epoch's slots
  kCellOrder = 2,     // which members of a cell fill its slots
  kDraw = 3,          // draws with replacement
  kRounding = 4,      // shares into whole numbers of slots
  kFilterTies = 5,    // samples of equal rank in a filter
  kBatchOrder = 6,    // the order of a batch whose strata follow quotas
  kTies = 10,         // the order of samples with equal scores
  kStaleTies = 11,    // of scores reported at the same step
  kJitterOrder = 12,  // which part of the mass each position of a batch draws from
  kRounds = 20,       // the orders that rounds are cut from
  kBag = 21,          // the members of a bag, their counts or their weights
  kBlocks = 22,       // which blocks an epoch holds
  kBlockTies = 23,    // the order of samples of the same time
  kSystematic = 24,   // the point and the order of systematic sampling
  kIndependent = 25,  // the coin of each sample
  kSelect = 26,       // which of a pool are chosen
  kRepeats = 27,      // who is repeated once more, by repeat factors
};

// The address of a stream. Uids are not part of it: a copy of a run draws the same.
struct StreamKey {
  uint64_t seed = 0;
  uint64_t sampler_version = 0;
  uint64_t epoch = 0;
};

// Returns the key of the stream (key, purpose, sub): with seed as a key, low word first,
//   inner = words 0, 1 of Philox(seed, sampler_version, epoch)
//   result = words 0, 1 of Philox(inner, sub, purpose).
PhiloxKey DeriveKey(const StreamKey& key, Purpose purpose, uint64_t sub = 0);

// Returns 128 bits. Counter words 0, 1 are counter_low (low word first), 2, 3 counter_high.
PhiloxBlock Philox(const PhiloxKey& key, uint64_t counter_low, uint64_t counter_high = 0);

// Writes out[i] = Philox(key, first + i, counter_high); first + i wraps at 2^64. SIMD: a few
// nanoseconds a block.
void PhiloxFill(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                absl::Span<PhiloxBlock> out);

// The two 64-bit halves of a block, independent of each other: words 0, 1 and words 2, 3.
constexpr uint64_t BlockLow(const PhiloxBlock& block) {
  return block[0] | uint64_t{block[1]} << 32;
}
constexpr uint64_t BlockHigh(const PhiloxBlock& block) {
  return block[2] | uint64_t{block[3]} << 32;
}

// Returns an integer uniform in [0, n) without bias: n in [1, 2^64). `counter` is the address of
// the draw; rejected candidates take further blocks of the same address (counter_high 1, 2, ...).
uint64_t UniformInt(const PhiloxKey& key, uint64_t counter, uint64_t n);

// Returns UniformInt(key, counter, n) where block = Philox(key, counter) is at hand. Reads BlockLow
// only, unless (with probability < n / 2^64) its candidate is rejected.
uint64_t UniformIntFromBlock(const PhiloxBlock& block, const PhiloxKey& key, uint64_t counter,
                             uint64_t n);

// Returns 53 uniform bits in [0, 1): the top of BlockLow(Philox(key, counter)), so not independent
// of UniformInt at the same address.
double UniformDouble(const PhiloxKey& key, uint64_t counter);

// Returns the top 53 bits as a number in [0, 1).
constexpr double ToUnitDouble(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

namespace philox_internal {

// Lemire's method: the candidate is the high half of bits * n; a low half below 2^64 mod n is
// rejected.
inline bool Accept(uint64_t bits, uint64_t n, uint64_t* result) {
  const unsigned __int128 product = static_cast<unsigned __int128>(bits) * n;
  const auto low = static_cast<uint64_t>(product);
  *result = static_cast<uint64_t>(product >> 64);
  return low >= n || low >= (0 - n) % n;
}

uint64_t UniformIntSlow(const PhiloxKey& key, uint64_t counter, uint64_t n);

}  // namespace philox_internal

inline uint64_t UniformIntFromBlock(const PhiloxBlock& block, const PhiloxKey& key,
                                    uint64_t counter, uint64_t n) {
  uint64_t result;
  if (philox_internal::Accept(BlockLow(block), n, &result)) return result;
  return philox_internal::UniformIntSlow(key, counter, n);
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PHILOX_H_
