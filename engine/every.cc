#include "engine/every.h"

#include <utility>

#include "absl/time/time.h"

namespace subset {

Every::Every(std::function<void()> task) : task_(std::move(task)), thread_([this] { Loop(); }) {}

void Every::Stop() {
  {
    MutexLock lock(&mu_);
    stopped_ = true;
    wake_.NotifyOne();
  }
  if (thread_.joinable()) thread_.join();
}

void Every::Loop() {
  while (true) {
    {
      MutexLock lock(&mu_);
      // Nothing but Stop wakes it, so an early return of the wait only makes one round early.
      if (!stopped_) wake_.WaitWithTimeout(&mu_, absl::Seconds(1));
      if (stopped_) return;
    }
    task_();
  }
}

}  // namespace subset
