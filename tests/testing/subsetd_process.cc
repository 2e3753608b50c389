#include "tests/testing/subsetd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "tests/testing/read_file.h"
#include "tests/testing/wait_for_file.h"

namespace subset {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

SubsetdProcess::SubsetdProcess(const std::vector<std::string>& flags,
                               const std::vector<std::string>& environment) {
  std::vector<std::string> args = {SUBSETD_PATH};
  args.insert(args.end(), flags.begin(), flags.end());
  args.push_back("--port_file=" + port_file());
  std::vector<std::string> env = environment;
  for (const char* name : {"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) env.push_back(absl::StrCat(name, "=", value));
  }
  std::vector<char*> argv = Pointers(args), envp = Pointers(env);
  const int out = open(dir_.File("output").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  SUBSET_CHECK(out >= 0);
  pid_ = vfork();  // the child does nothing but exec: threads of ours do not matter
  if (pid_ == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execve(argv[0], argv.data(), envp.data());
    _exit(127);
  }
  SUBSET_CHECK(pid_ > 0);
  close(out);
}

SubsetdProcess::~SubsetdProcess() {
  if (!HasEnded()) {
    Signal(SIGKILL);
    Wait();
  }
}

std::vector<std::string> SubsetdProcess::ServeFlags(const std::string& data_dir) {
  return {"--data_dir=" + data_dir, "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
          "--drain_delay=0s"};
}

bool SubsetdProcess::WaitUntilServing() {
  if (HasEnded() || !WaitForFile(port_file(), pid_)) return false;
  std::istringstream lines(ReadFile(port_file()));
  for (std::string line; std::getline(lines, line);) {
    if (absl::StartsWith(line, "grpc=")) grpc_address_ = line.substr(5);
    if (absl::StartsWith(line, "metrics=")) metrics_address_ = line.substr(8);
  }
  return true;
}

void SubsetdProcess::Signal(int number) {
  if (!ended_) kill(pid_, number);
}

bool SubsetdProcess::HasEnded() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return ended_;
}

int SubsetdProcess::Wait() {
  if (!ended_) ended_ = waitpid(pid_, &status_, 0) == pid_;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
}

std::string SubsetdProcess::Output() const { return ReadFile(dir_.File("output")); }

}  // namespace subset
