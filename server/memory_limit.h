// How much memory this process may plan with.

#ifndef SUBSET_SERVER_MEMORY_LIMIT_H_
#define SUBSET_SERVER_MEMORY_LIMIT_H_

#include <cstdint>
#include <string>

namespace subset {

// Returns 80 % of the smaller of the container's limit and the machine's memory; the rest is for
// the database, the messages in flight and the allocator. `root` is "/" outside tests.
uint64_t UsableMemoryBytes(const std::string& root = "/");

}  // namespace subset

#endif  // SUBSET_SERVER_MEMORY_LIMIT_H_
