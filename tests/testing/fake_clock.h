// A clock that tests turn by hand.

#ifndef SUBSET_TESTS_TESTING_FAKE_CLOCK_H_
#define SUBSET_TESTS_TESTING_FAKE_CLOCK_H_

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace subset {

// Thread-safe.
class FakeClock : public Clock {
 public:
  absl::Time Now() override {
    MutexLock lock(&mu_);
    return absl::FromUnixSeconds(1700000000) + elapsed_;
  }
  absl::Duration Monotonic() override {
    MutexLock lock(&mu_);
    return elapsed_;
  }
  void Advance(absl::Duration duration) {
    MutexLock lock(&mu_);
    elapsed_ += duration;
  }

 private:
  Mutex mu_;
  absl::Duration elapsed_ ABSL_GUARDED_BY(mu_) = absl::Seconds(1);
};

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_FAKE_CLOCK_H_
