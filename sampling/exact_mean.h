// The mean of floats, compared without any rounding.
//
// InfoBatch prunes what is strictly below the mean: a sum rounded by one unit marks all of a
// constant column as below it, and doubles the loss.

#ifndef SUBSET_SAMPLING_EXACT_MEAN_H_
#define SUBSET_SAMPLING_EXACT_MEAN_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace subset::sampling {

// A sum in fixed point, wide enough for every float: exact and independent of the order for up to
// 2^32 values (Kulisch's long accumulator). Not thread-safe.
class ExactMean {
 public:
  // Takes those values that are not NaN; they are finite. A pass at the speed of memory where most
  // lie within a factor of 2^20 of each other.
  void Add(absl::Span<const float> values);
  // Takes the values that another one has taken.
  void Add(const ExactMean& other);

  uint64_t count() const { return count_; }

  // Returns the least float that is not below the mean, so that x < mean exactly if x < it.
  // REQUIRES: count() > 0.
  float LeastNotBelow() const;

 private:
  // A float is below 2^277 units of 2^-149, the least float above 0.
  static constexpr size_t kDigits = 10;

  void AddBlock(const float* block);
  void AddUnits(int64_t value, int shift);
  void Carry();
  bool MeanIsAtMost(float t) const;

  // Of 32 bits, in [0, 2^32) but for the last one, which has the sign; the lowest come first.
  std::array<int64_t, kDigits> digits_{};
  uint64_t count_ = 0;
  int top_ = 0;  // a guess: the largest value of a block is just below 2^top_
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_EXACT_MEAN_H_
