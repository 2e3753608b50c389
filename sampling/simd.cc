#include "sampling/simd.h"

#include <algorithm>
#include <atomic>

namespace subset::sampling {
namespace {

SimdLevel Detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt")) {
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi") &&
                      __builtin_cpu_supports("bmi2");
    return wide ? SimdLevel::kAvx512 : SimdLevel::kAvx2;
  }
#endif
  return SimdLevel::kPortable;
}

std::atomic<SimdLevel>& Level() {
  static std::atomic<SimdLevel> level{Detect()};
  return level;
}

}  // namespace

SimdLevel ActiveSimdLevel() { return Level().load(std::memory_order_relaxed); }

ScopedSimdLimit::ScopedSimdLimit(SimdLevel level) {
  Level().store(std::min(level, Detect()), std::memory_order_relaxed);
}

ScopedSimdLimit::~ScopedSimdLimit() { Level().store(Detect(), std::memory_order_relaxed); }

}  // namespace subset::sampling
