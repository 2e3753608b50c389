// Time as an argument: tests pass a clock they turn by hand.

#ifndef SUBSET_BASE_CLOCK_H_
#define SUBSET_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace subset {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time: only for people to read.
  virtual absl::Time Now() = 0;

  // Time since an arbitrary start that never goes back: for leases and timeouts.
  virtual absl::Duration Monotonic() = 0;

  // The machine's clock.
  static Clock* Real();
};

}  // namespace subset

#endif  // SUBSET_BASE_CLOCK_H_
