// What the kernel says of this process, for the standard process_* metrics.

#ifndef SUBSET_SERVER_PROCESS_STATS_H_
#define SUBSET_SERVER_PROCESS_STATS_H_

namespace subset {

struct ProcessStats {
  double cpu_seconds = 0;
  double resident_bytes = 0;
  double virtual_bytes = 0;
  double open_fds = 0;
  double max_fds = 0;
  double threads = 0;
  double start_timestamp_seconds = 0;  // since 1970
};

// Reads /proc and getrusage; a value that cannot be read stays 0.
ProcessStats ReadProcessStats();

}  // namespace subset

#endif  // SUBSET_SERVER_PROCESS_STATS_H_
