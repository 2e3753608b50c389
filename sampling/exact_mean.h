// The mean of floats, compared without any rounding.
//
// InfoBatch prunes what is strictly below the mean: a sum rounded by one unit marks all of a
// constant column as below it, and doubles the loss.

#ifndef SUBSET_SAMPLING_EXACT_MEAN_H_
#define SUBSET_SAMPLING_EXACT_MEAN_H_

#include <array>
#include <cstdint>

#include "absl/types/span.h"

namespace subset::sampling {

// Whole mantissas summed per exponent: exact and independent of the order for up to 2^32 values.
// Not thread-safe. 8 KiB.
class ExactMean {
 public:
  // Takes those values that are not NaN; they are finite.
  void Add(absl::Span<const float> values);
  // Takes the values that another one has taken.
  void Add(const ExactMean& other);

  uint64_t count() const { return count_; }

  // Returns the least float that is not below the mean, so that x < mean exactly if x < it.
  // REQUIRES: count() > 0.
  float LeastNotBelow() const;

 private:
  static constexpr int kExponents = 255;  // IEEE exponent fields 1 .. 254; denormals are in 1
  static constexpr int kTurns = 4;

  // Sums of mantissas by exponent, in units of 2^(exponent - 150); 255: of NaN.
  using Sums = std::array<int64_t, kExponents + 1>;

  // Whether the mean of `count` values is at most t.
  static bool AtMost(const Sums& sums, uint64_t count, float t);

  // Values go to one of these in turn: none waits for the one before, of the same exponent.
  std::array<Sums, kTurns> turns_{};
  uint64_t count_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_EXACT_MEAN_H_
