#include "server/memory_limit.h"

#include <algorithm>
#include <fstream>
#include <limits>

namespace subset {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// cgroup files hold one number, or "max".
uint64_t ReadLimit(const std::string& path) {
  std::ifstream file(path);
  uint64_t bytes = 0;
  return file >> bytes ? bytes : kUnlimited;
}

uint64_t MachineBytes(const std::string& root) {
  std::ifstream file(root + "proc/meminfo");
  std::string key;
  uint64_t kib = 0;
  if (file >> key >> kib && key == "MemTotal:") return kib * 1024;
  return kUnlimited;
}

}  // namespace

uint64_t UsableMemoryBytes(const std::string& root) {
  // Inside a container its own cgroup is mounted as the root of the hierarchy: v2, then v1.
  const uint64_t limit = std::min({ReadLimit(root + "sys/fs/cgroup/memory.max"),
                                   ReadLimit(root + "sys/fs/cgroup/memory/memory.limit_in_bytes"),
                                   MachineBytes(root)});
  return limit == kUnlimited ? 0 : limit / 5 * 4;
}

}  // namespace subset
