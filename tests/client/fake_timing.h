// Time that only sleeping moves, and randomness written down beforehand.

#ifndef SUBSET_TESTS_CLIENT_FAKE_TIMING_H_
#define SUBSET_TESTS_CLIENT_FAKE_TIMING_H_

#include <vector>

#include "base/mutex.h"
#include "client/cpp/retry.h"

namespace subset {

// Thread-safe.
class FakeTiming final : public RetryTiming {
 public:
  explicit FakeTiming(double uniform = 0.5) : uniform_(uniform) {}

  absl::Duration Monotonic() override {
    MutexLock lock(&mu_);
    return now_;
  }
  void Sleep(absl::Duration duration) override {
    MutexLock lock(&mu_);
    sleeps_.push_back(duration);
    now_ += duration;
  }
  double Uniform() override { return uniform_; }

  void Advance(absl::Duration duration) {
    MutexLock lock(&mu_);
    now_ += duration;
  }
  std::vector<absl::Duration> sleeps() const {
    MutexLock lock(&mu_);
    return sleeps_;
  }

 private:
  const double uniform_;
  mutable Mutex mu_;
  absl::Duration now_ ABSL_GUARDED_BY(mu_) = absl::Hours(1);
  std::vector<absl::Duration> sleeps_ ABSL_GUARDED_BY(mu_);
};

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_TIMING_H_
