// Who does a task that is cut into parts.

#ifndef SUBSET_BASE_EXECUTOR_H_
#define SUBSET_BASE_EXECUTOR_H_

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace subset {

// Thread-safe.
class Executor {
 public:
  virtual ~Executor() = default;

  // How many parts may be under way at once; at least 1.
  virtual size_t threads() const = 0;

  // Calls work(part) once for each part < parts, in any order and on any threads, and returns when
  // all calls have returned; the caller sees what they wrote. Parts must not wait for each other.
  virtual void Run(size_t parts, absl::FunctionRef<void(size_t part)> work) const = 0;
};

}  // namespace subset

#endif  // SUBSET_BASE_EXECUTOR_H_
