// An executor with several threads, which live as long as a call.

#ifndef SUBSET_BASE_THREAD_EXECUTOR_H_
#define SUBSET_BASE_THREAD_EXECUTOR_H_

#include <cstddef>

#include "base/executor.h"

namespace subset {

// Thread-safe; holds nothing but a number. A call costs some tens of microseconds for each thread
// beside the caller's, which works too. Where threads cannot be had, fewer do the work.
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(size_t threads);

  size_t threads() const override { return threads_; }

  // Each thread begins with a stretch of parts of its own, so that neighbours in memory are first
  // touched by one thread; then it helps with the others'.
  void Run(size_t parts, absl::FunctionRef<void(size_t part)> work) const override;

 private:
  const size_t threads_;
};

// Returns one with as many threads as can run at once (cpu_limit.h).
const Executor& AllThreads();

}  // namespace subset

#endif  // SUBSET_BASE_THREAD_EXECUTOR_H_
