#include "sampling/philox.h"

#include "sampling/philox_simd.h"
#include "sampling/simd.h"

namespace subset::sampling {

PhiloxBlock Philox(const PhiloxKey& key, uint64_t counter_low, uint64_t counter_high) {
  auto c0 = static_cast<uint32_t>(counter_low);
  auto c1 = static_cast<uint32_t>(counter_low >> 32);
  auto c2 = static_cast<uint32_t>(counter_high);
  auto c3 = static_cast<uint32_t>(counter_high >> 32);
  uint32_t k0 = key[0];
  uint32_t k1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{philox_internal::kMultiplier0} * c0;
    const uint64_t p1 = uint64_t{philox_internal::kMultiplier1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += philox_internal::kWeyl0;
    k1 += philox_internal::kWeyl1;
  }
  return {c0, c1, c2, c3};
}

PhiloxKey DeriveKey(const StreamKey& key, Purpose purpose, uint64_t sub) {
  const PhiloxKey seed = {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
  const PhiloxBlock inner = Philox(seed, key.sampler_version, key.epoch);
  const PhiloxBlock outer = Philox({inner[0], inner[1]}, sub, static_cast<uint64_t>(purpose));
  return {outer[0], outer[1]};
}

void PhiloxFill(const PhiloxKey& key, uint64_t first, uint64_t counter_high,
                absl::Span<PhiloxBlock> out) {
  size_t i = 0;
#if defined(__x86_64__)
  const SimdLevel level = ActiveSimdLevel();
  if (level >= SimdLevel::kAvx512) {
    i = philox_internal::FillAvx512(key, first, counter_high, out);
  } else if (level >= SimdLevel::kAvx2) {
    i = philox_internal::FillAvx2(key, first, counter_high, out);
  }
#endif
  for (; i < out.size(); ++i) out[i] = Philox(key, first + i, counter_high);
}

uint64_t UniformInt(const PhiloxKey& key, uint64_t counter, uint64_t n) {
  return UniformIntFromBlock(Philox(key, counter), key, counter, n);
}

double UniformDouble(const PhiloxKey& key, uint64_t counter) {
  return ToUnitDouble(BlockLow(Philox(key, counter)));
}

namespace philox_internal {

// The low half of block 0 was rejected: its high half is next, then the halves of further blocks.
uint64_t UniformIntSlow(const PhiloxKey& key, uint64_t counter, uint64_t n) {
  uint64_t result;
  if (Accept(BlockHigh(Philox(key, counter)), n, &result)) return result;
  for (uint64_t attempt = 1;; ++attempt) {
    const PhiloxBlock block = Philox(key, counter, attempt);
    if (Accept(BlockLow(block), n, &result)) return result;
    if (Accept(BlockHigh(block), n, &result)) return result;
  }
}

}  // namespace philox_internal
}  // namespace subset::sampling
