#include "tests/client/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/log.h"
#include "tests/testing/wait_for_file.h"

extern char** environ;

namespace subset {
namespace {

std::string Read(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

ServerProcess::ServerProcess(const std::string& data_dir, const std::string& listen) {
  const char* program = std::getenv("SUBSETD");
  SUBSET_CHECK(program != nullptr);
  const std::string ports = data_dir + ".ports";
  const std::string log = data_dir + ".log";
  std::filesystem::remove(ports);
  std::vector<std::string> arguments = {program,
                                        "--data_dir=" + data_dir,
                                        "--listen=" + listen,
                                        "--metrics_listen=",
                                        "--port_file=" + ports,
                                        "--drain_delay=0s"};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  SUBSET_CHECK(posix_spawn(&pid_, program, &actions, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  if (!WaitForFile(ports, pid_)) {
    std::fprintf(stderr, "subsetd ended: %s\n", Read(log).c_str());
    std::abort();
  }
  std::istringstream lines(Read(ports));
  for (std::string line; std::getline(lines, line);) {
    absl::string_view value = line;
    if (absl::ConsumePrefix(&value, "grpc=")) address_ = std::string(value);
  }
  SUBSET_CHECK(!address_.empty());
}

ServerProcess::~ServerProcess() {
  if (pid_ != 0) End(SIGKILL);
}

int ServerProcess::End(int signal) {
  int status = 0;
  kill(pid_, signal);
  SUBSET_CHECK(waitpid(pid_, &status, 0) == pid_);
  pid_ = 0;
  return status;
}

}  // namespace subset
