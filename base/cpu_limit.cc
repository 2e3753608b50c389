#include "base/cpu_limit.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <istream>
#include <thread>

namespace subset {
namespace {

// Those that the calling thread may run on; std::thread::hardware_concurrency is of the machine.
double CpusOfAffinity() {
  cpu_set_t cpus;
  if (::sched_getaffinity(0, sizeof(cpus), &cpus) == 0) return CPU_COUNT(&cpus);
  return std::thread::hardware_concurrency();  // more of them than a cpu_set_t holds
}

// Returns the smaller of `cpus` and what a quota of microseconds in each period stands for. "max"
// or -1 in its file is none.
double Least(double cpus, std::istream& quota_file, std::istream& period_file) {
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return cpus;
  return std::min(cpus, quota / period);
}

}  // namespace

size_t UsableCpus(const std::string& root) {
  double cpus = CpusOfAffinity();
  // Inside a container its own cgroup is mounted as the root of the hierarchy: v2, then v1.
  std::ifstream both(root + "sys/fs/cgroup/cpu.max");
  cpus = Least(cpus, both, both);
  std::ifstream quota(root + "sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period(root + "sys/fs/cgroup/cpu/cpu.cfs_period_us");
  cpus = Least(cpus, quota, period);
  return static_cast<size_t>(std::max(1.0, std::ceil(cpus)));
}

}  // namespace subset
