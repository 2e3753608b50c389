// Which vector instructions the bulk functions of this room use. Every level gives the same bits.

#ifndef SUBSET_SAMPLING_SIMD_H_
#define SUBSET_SAMPLING_SIMD_H_

namespace subset::sampling {

// In rising order; each has what the ones below it have.
enum class SimdLevel : int { kPortable = 0, kAvx2 = 1, kAvx512 = 2 };

// Returns the best level this processor has. Thread-safe; a load.
SimdLevel ActiveSimdLevel();

// For tests and benchmarks: uses at most `level` while it lives. Not nested, not while other
// threads draw.
class ScopedSimdLimit {
 public:
  explicit ScopedSimdLimit(SimdLevel level);
  ~ScopedSimdLimit();
  ScopedSimdLimit(const ScopedSimdLimit&) = delete;
  ScopedSimdLimit& operator=(const ScopedSimdLimit&) = delete;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SIMD_H_
