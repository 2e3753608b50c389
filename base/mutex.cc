#include "base/mutex.h"

namespace subset {

void CondVar::Wait(Mutex* mu) {
  std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
  cv_.wait(lock);
  lock.release();
}

bool CondVar::WaitWithTimeout(Mutex* mu, absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mu->mu_, std::adopt_lock);
  const auto status = cv_.wait_for(lock, absl::ToChronoNanoseconds(timeout));
  lock.release();
  return status == std::cv_status::no_timeout;
}

// Phase-fair: a writer waits for at most the readers inside, and the readers that gathered behind
// it are admitted as one group before the next writer.
void FairSharedMutex::Lock() {
  std::unique_lock<std::mutex> lock(mu_);
  ++writers_waiting_;
  writers_cv_.wait(lock, [this] { return !writing_ && readers_ == 0 && readers_admitted_ == 0; });
  --writers_waiting_;
  writing_ = true;
}

void FairSharedMutex::Unlock() {
  std::lock_guard<std::mutex> lock(mu_);
  writing_ = false;
  readers_admitted_ = readers_waiting_;
  if (readers_admitted_ > 0) {
    readers_cv_.notify_all();
  } else {
    writers_cv_.notify_one();
  }
}

void FairSharedMutex::ReaderLock() {
  std::unique_lock<std::mutex> lock(mu_);
  if (writing_ || writers_waiting_ > 0) {
    ++readers_waiting_;
    readers_cv_.wait(lock, [this] {
      return !writing_ && (readers_admitted_ > 0 || writers_waiting_ == 0);
    });
    --readers_waiting_;
    if (readers_admitted_ > 0) --readers_admitted_;
  }
  ++readers_;
}

void FairSharedMutex::ReaderUnlock() {
  std::lock_guard<std::mutex> lock(mu_);
  if (--readers_ == 0 && readers_admitted_ == 0) writers_cv_.notify_one();
}

}  // namespace subset
