#include "bench/served/child_server.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace subset::bench {
namespace {

void Expect(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::exit(1);
}

// The child's side: says where it serves, then its CPU time each time a byte comes.
[[noreturn]] void ServeChild(const std::function<std::unique_ptr<ServedThing>()>& start, int in,
                             int out) {
  {
    const std::unique_ptr<ServedThing> server = start();
    const std::string line = server->address() + "\n";
    Expect(write(out, line.data(), line.size()) == static_cast<ssize_t>(line.size()), "write");
    char asked = 0;
    while (read(in, &asked, 1) == 1) {
      const double seconds = OwnCpuSeconds();
      Expect(write(out, &seconds, sizeof(seconds)) == sizeof(seconds), "write");
    }
  }
  _exit(0);
}

}  // namespace

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

ChildServer::ChildServer(const std::function<std::unique_ptr<ServedThing>()>& start) {
  int down[2], up[2];
  Expect(pipe(down) == 0 && pipe(up) == 0, "pipe");
  pid_ = fork();
  Expect(pid_ >= 0, "fork");
  if (pid_ == 0) {
    close(down[1]);
    close(up[0]);
    ServeChild(start, down[0], up[1]);
  }
  close(down[0]);
  close(up[1]);
  to_child_ = down[1];
  from_child_ = up[0];
  for (char c = 0; read(from_child_, &c, 1) == 1 && c != '\n';) address_ += c;
  Expect(!address_.empty(), "the server did not start");
}

ChildServer::~ChildServer() {
  close(to_child_);  // the child's read ends
  close(from_child_);
  waitpid(pid_, nullptr, 0);
}

double ChildServer::CpuSeconds() {
  double seconds = 0;
  Expect(write(to_child_, "?", 1) == 1, "write");
  Expect(read(from_child_, &seconds, sizeof(seconds)) == sizeof(seconds), "read");
  return seconds;
}

}  // namespace subset::bench
