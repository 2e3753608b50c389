// Which of many numbers are below a range, and which are in it.

#ifndef SUBSET_SAMPLING_RANGE_BITS_H_
#define SUBSET_SAMPLING_RANGE_BITS_H_

#include <cstdint>
#include <limits>

#include "absl/types/span.h"

namespace subset::sampling {

// Every number of a type is in kLeastOf<T> .. kGreatestOf<T>.
template <typename T>
inline constexpr T kLeastOf = std::numeric_limits<T>::has_infinity
                                  ? -std::numeric_limits<T>::infinity()
                                  : std::numeric_limits<T>::lowest();
template <typename T>
inline constexpr T kGreatestOf = std::numeric_limits<T>::has_infinity
                                     ? std::numeric_limits<T>::infinity()
                                     : std::numeric_limits<T>::max();

// A bit for each of up to 64 numbers, the first one's lowest; bits past the last are 0.
struct RangeBits {
  uint64_t below = 0;   // x < low
  uint64_t inside = 0;  // low <= x <= high
};

// Writes those of values 0 .. 63 to words[0], those of the next 64 to words[1] and so on. NaN is
// neither below nor inside. T is the type of a column. SIMD: 0.1 to 0.4 ns a number.
template <typename T>
void CompareToRange(absl::Span<const T> values, T low, T high, RangeBits* words);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANGE_BITS_H_
