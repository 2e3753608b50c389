// How many threads of this process can run at once.

#ifndef SUBSET_BASE_CPU_LIMIT_H_
#define SUBSET_BASE_CPU_LIMIT_H_

#include <cstddef>
#include <string>

namespace subset {

// Returns how many CPUs it may use, at least 1: those that the calling thread may run on, or the
// container's quota, rounded up, where that is less (threads past it would stop each other).
// `root` is "/" outside tests.
size_t UsableCpus(const std::string& root = "/");

}  // namespace subset

#endif  // SUBSET_BASE_CPU_LIMIT_H_
