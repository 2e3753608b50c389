// A real subsetd on a free loopback port, for tests in C++.

#ifndef SUBSET_TESTS_CLIENT_SERVER_PROCESS_H_
#define SUBSET_TESTS_CLIENT_SERVER_PROCESS_H_

#include <sys/types.h>

#include <string>

namespace subset {

// Not thread-safe.
class ServerProcess {
 public:
  // Starts the program named by $SUBSETD on `data_dir` and returns once it serves. `listen` is its
  // address; port 0 takes a free one. Ends the test process with the server's log if it does not
  // come up.
  explicit ServerProcess(const std::string& data_dir, const std::string& listen = "127.0.0.1:0");
  // Kills it if it still runs.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }

  // Sends the signal and waits for the end; returns waitpid's status.
  int End(int signal);

 private:
  pid_t pid_ = 0;  // 0: has ended
  std::string address_;
};

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_SERVER_PROCESS_H_
