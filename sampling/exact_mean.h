// The mean of floats, compared without any rounding.
//
// InfoBatch prunes what is strictly below the mean: a sum rounded by one unit marks all of a
// constant column as below it, and doubles the loss.

#ifndef SUBSET_SAMPLING_EXACT_MEAN_H_
#define SUBSET_SAMPLING_EXACT_MEAN_H_

#include <array>
#include <cstdint>

namespace subset::sampling {

// Whole mantissas summed per exponent: exact and independent of the order for up to 2^32 values.
// Not thread-safe. 2 KiB.
class ExactMean {
 public:
  // Takes a finite value.
  void Add(float value);

  uint64_t count() const { return count_; }

  // Returns the least float that is not below the mean, so that x < mean exactly if x < it.
  // REQUIRES: count() > 0.
  float LeastNotBelow() const;

 private:
  static constexpr int kExponents = 255;  // IEEE exponent fields 1 .. 254; denormals are in 1

  // Whether mean <= t.
  bool AtMost(float t) const;

  std::array<int64_t, kExponents> sums_{};  // sum of mantissas, in units of 2^(exponent - 150)
  uint64_t count_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_EXACT_MEAN_H_
