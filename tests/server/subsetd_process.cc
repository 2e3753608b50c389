#include "tests/server/subsetd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/match.h"
#include "base/log.h"
#include "tests/testing/wait_for_file.h"

namespace subset {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

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
  std::vector<std::string> env = environment;
  std::vector<char*> argv = Pointers(args), envp = Pointers(env);
  for (const std::string& flag : flags) {
    if (absl::StartsWith(flag, "--port_file=")) port_file_ = flag.substr(12);
  }
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

std::vector<std::string> SubsetdProcess::ServeFlags(const std::string& data_dir,
                                                    const std::string& port_file) {
  return {"--data_dir=" + data_dir, "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
          "--port_file=" + port_file, "--drain_delay=0s"};
}

bool SubsetdProcess::WaitUntilServing() {
  if (HasEnded() || !WaitForFile(port_file_, pid_)) return false;
  std::istringstream lines(ReadFile(port_file_));
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
