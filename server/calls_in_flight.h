// How many calls have arrived and are not answered.

#ifndef SUBSET_SERVER_CALLS_IN_FLIGHT_H_
#define SUBSET_SERVER_CALLS_IN_FLIGHT_H_

#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace subset {

// Thread-safe.
class CallsInFlight {
 public:
  // Counts a call; false where no new ones are taken any more: end it without executing it.
  bool Begin() {
    MutexLock lock(&mu_);
    ++count_;
    return !refusing_;
  }
  // Takes no new calls from now on.
  void Refuse() {
    MutexLock lock(&mu_);
    refusing_ = true;
  }
  void End() {
    MutexLock lock(&mu_);
    if (--count_ == 0) none_.NotifyAll();
  }
  // Returns when there are none, or after `timeout`.
  void WaitForNone(absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    MutexLock lock(&mu_);
    while (count_ > 0 && none_.WaitWithTimeout(&mu_, deadline - absl::Now())) {
    }
  }

 private:
  Mutex mu_;
  CondVar none_;
  uint64_t count_ ABSL_GUARDED_BY(mu_) = 0;
  bool refusing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace subset

#endif  // SUBSET_SERVER_CALLS_IN_FLIGHT_H_
