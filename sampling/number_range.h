// minimum <= x < maximum in the type of a column.

#ifndef SUBSET_SAMPLING_NUMBER_RANGE_H_
#define SUBSET_SAMPLING_NUMBER_RANGE_H_

#include <cmath>
#include <limits>
#include <type_traits>

#include "sampling/range_bits.h"

namespace subset::sampling {

// Bounds are rounded to floating types as values are, and up to the next whole number for integer
// types, which changes no comparison.
template <typename T>
class NumberRange {
 public:
  NumberRange(double minimum, double maximum) : below_all_(!NotBelow(minimum, &low_)) {
    T high;
    const bool unbounded =
        !NotBelow(maximum, &high) || maximum == std::numeric_limits<double>::infinity();
    first_ = low_;
    last_ = kGreatestOf<T>;
    if (below_all_ || (!unbounded && high == kLeastOf<T>)) {  // contains nothing
      first_ = kGreatestOf<T>;
      last_ = kLeastOf<T>;
    } else if (!unbounded) {
      last_ = Before(high);
    }
  }

  // Contained are first() <= x <= last(), never NaN.
  T first() const { return first_; }
  T last() const { return last_; }
  bool Contains(T x) const { return (x >= first_) & (x <= last_); }
  // Whether x is under the minimum; true for NaN.
  bool Below(T x) const { return below_all_ | ((x >= low_) == false); }

 private:
  // Finds the least T that stands for `bound` or more. Returns false if every T is below it.
  static bool NotBelow(double bound, T* least) {
    if constexpr (std::is_floating_point_v<T>) {
      *least = static_cast<T>(bound);
      return true;
    } else {
      const double whole = std::ceil(bound);
      // One above the largest T is a power of two, so exact.
      if (whole >= std::ldexp(1.0, std::numeric_limits<T>::digits)) return false;
      const bool under = whole <= static_cast<double>(std::numeric_limits<T>::lowest());
      *least = under ? std::numeric_limits<T>::lowest() : static_cast<T>(whole);
      return true;
    }
  }

  // The greatest T below x.
  static T Before(T x) {
    if constexpr (std::is_floating_point_v<T>) {
      return std::nextafter(x, -std::numeric_limits<T>::infinity());
    } else {
      return static_cast<T>(x - 1);
    }
  }

  T low_ = 0;
  bool below_all_;  // every T is below the minimum
  T first_ = 0;
  T last_ = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_NUMBER_RANGE_H_
