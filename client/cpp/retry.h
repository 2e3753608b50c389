// When a failed call is tried again: UNAVAILABLE, and CANCELLED, which is never of this client's
// doing (a server or proxy that goes away may say so); exponential backoff with full jitter, a
// bounded number of attempts within a bounded time, never past the deadline.

#ifndef SUBSET_CLIENT_CPP_RETRY_H_
#define SUBSET_CLIENT_CPP_RETRY_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "subset/client.h"

namespace subset {

// What a retry needs of the world. Thread-safe.
class RetryTiming {
 public:
  virtual ~RetryTiming() = default;
  virtual absl::Duration Monotonic() = 0;  // time since an arbitrary start
  virtual void Sleep(absl::Duration duration) = 0;
  virtual double Uniform() = 0;  // in [0, 1)

  // The machine's.
  static RetryTiming* Real();
};

// Whether another attempt may help. The client cancels only calls whose answer nobody waits for.
inline bool MayBeTriedAgain(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsCancelled(status);
}

// One call and its repetitions. Not thread-safe.
class Retry {
 public:
  // `timeout` counts from now. `timing` must outlive this.
  Retry(const RetryOptions& options, absl::Duration timeout, RetryTiming* timing);

  // Time until the deadline; not positive once it has passed.
  absl::Duration Remaining() const;

  // Called with the error of an attempt. Waits and returns true when another attempt is due;
  // returns false at once when `status` may not be tried again, the attempts are used up, or the
  // wait would end at or after the deadline or the end of the patience.
  bool WaitToTryAgain(const absl::Status& status);

 private:
  const RetryOptions options_;
  RetryTiming* const timing_;
  const absl::Duration deadline_;  // on timing_'s clock
  int failures_ = 0;
  absl::Duration first_failure_;  // when, where there was one
};

}  // namespace subset

#endif  // SUBSET_CLIENT_CPP_RETRY_H_
