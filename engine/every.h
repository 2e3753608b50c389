// A task that is done once a second on a thread of its own.

#ifndef SUBSET_ENGINE_EVERY_H_
#define SUBSET_ENGINE_EVERY_H_

#include <functional>
#include <thread>

#include "base/mutex.h"

namespace subset {

// Thread-safe.
class Every {
 public:
  explicit Every(std::function<void()> task);
  ~Every() { Stop(); }

  // Waits for the task under way and joins the thread. Idempotent.
  void Stop();

 private:
  void Loop();

  const std::function<void()> task_;
  Mutex mu_;
  CondVar wake_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_EVERY_H_
