#include "base/thread_executor.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "base/cpu_limit.h"

namespace subset {
namespace {

// Parts that one thread begins with, on a cache line of its own.
struct alignas(64) Stretch {
  std::atomic<size_t> next{0};  // relaxed: only who takes a part matters
  size_t end = 0;
};

}  // namespace

ThreadExecutor::ThreadExecutor(size_t threads) : threads_(std::max<size_t>(1, threads)) {}

void ThreadExecutor::Run(size_t parts, absl::FunctionRef<void(size_t part)> work) const {
  const size_t workers = std::min(threads_, parts);
  std::vector<Stretch> stretches(workers);
  for (size_t w = 0; w < workers; ++w) {
    stretches[w].next = parts * w / workers;
    stretches[w].end = parts * (w + 1) / workers;
  }
  const auto run = [&](size_t worker) {
    for (size_t k = 0; k < workers; ++k) {
      Stretch& stretch = stretches[(worker + k) % workers];
      for (size_t part;
           (part = stretch.next.fetch_add(1, std::memory_order_relaxed)) < stretch.end;) {
        work(part);
      }
    }
  };
  std::vector<std::thread> others;
  for (size_t w = 1; w < workers; ++w) {
    try {
      others.emplace_back(run, w);
    } catch (const std::system_error&) {
      break;  // the limit of processes: who is there does the rest
    }
  }
  run(0);
  for (std::thread& other : others) other.join();
}

const Executor& AllThreads() {
  static const Executor& executor = *new ThreadExecutor(UsableCpus());
  return executor;
}

}  // namespace subset
