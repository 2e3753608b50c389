// A real subsetd process.

#ifndef SUBSET_TESTS_TESTING_SUBSETD_PROCESS_H_
#define SUBSET_TESTS_TESTING_SUBSETD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/testing/temp_dir.h"

namespace subset {

// Not thread-safe. Killed at the end of its life if it still runs.
class SubsetdProcess {
 public:
  // Starts the program with `flags`, a port file and `environment` ("KEY=VALUE"). Of this process's
  // own environment it has what sanitizers read, nothing else.
  explicit SubsetdProcess(const std::vector<std::string>& flags,
                          const std::vector<std::string>& environment = {});
  ~SubsetdProcess();
  SubsetdProcess(const SubsetdProcess&) = delete;
  SubsetdProcess& operator=(const SubsetdProcess&) = delete;

  // Waits until it serves; false if it has ended before.
  bool WaitUntilServing();
  // Flags to serve `data_dir` on free loopback ports, with no drain delay.
  static std::vector<std::string> ServeFlags(const std::string& data_dir);

  void Signal(int number);
  // Waits for the end; returns the exit status, or -N for an end by signal N.
  int Wait();
  // What it has written to stdout and stderr; complete after Wait.
  std::string Output() const;

  // Known once it serves.
  const std::string& grpc_address() const { return grpc_address_; }
  const std::string& metrics_address() const { return metrics_address_; }

 private:
  bool HasEnded();
  std::string port_file() const { return dir_.File("ports"); }

  TempDir dir_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
  std::string grpc_address_;
  std::string metrics_address_;
};

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_SUBSETD_PROCESS_H_
