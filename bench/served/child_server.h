// A server in a process of its own, so that its CPU time can be told from the client's.

#ifndef SUBSET_BENCH_SERVED_CHILD_SERVER_H_
#define SUBSET_BENCH_SERVED_CHILD_SERVER_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

namespace subset::bench {

// Serves from construction to destruction.
class ServedThing {
 public:
  virtual ~ServedThing() = default;
  virtual std::string address() const = 0;
};

// Not thread-safe. Fork before the process uses gRPC or starts threads.
class ChildServer {
 public:
  // Forks; the child calls `start` and serves until this object goes.
  explicit ChildServer(const std::function<std::unique_ptr<ServedThing>()>& start);
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  const std::string& address() const { return address_; }
  // User and system time the child has spent.
  double CpuSeconds();

 private:
  pid_t pid_ = -1;
  int to_child_ = -1;
  int from_child_ = -1;
  std::string address_;
};

// User and system time this process has spent.
double OwnCpuSeconds();

}  // namespace subset::bench

#endif  // SUBSET_BENCH_SERVED_CHILD_SERVER_H_
