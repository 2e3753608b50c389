// Waiting for what another process does.

#ifndef SUBSET_TESTS_TESTING_WAIT_FOR_FILE_H_
#define SUBSET_TESTS_TESTING_WAIT_FOR_FILE_H_

#include <poll.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/log.h"

namespace subset {

// Returns once `path` exists, in a folder that does, or once the child `pid`, not yet waited for,
// has ended: whether the file exists then.
inline bool WaitForFile(const std::filesystem::path& path, pid_t pid) {
  const int folder = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  const int child = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  SUBSET_CHECK(folder >= 0 && child >= 0);
  SUBSET_CHECK(inotify_add_watch(folder, path.parent_path().c_str(), IN_CREATE | IN_MOVED_TO) >= 0);
  bool ended = false;
  while (!ended && !std::filesystem::exists(path)) {
    pollfd watched[] = {{folder, POLLIN, 0}, {child, POLLIN, 0}};
    SUBSET_CHECK(poll(watched, 2, -1) > 0 || errno == EINTR);
    ended = watched[1].revents != 0;
    char events[4096];
    while (read(folder, events, sizeof(events)) > 0) {
    }
  }
  close(folder);
  close(child);
  return std::filesystem::exists(path);
}

}  // namespace subset

#endif  // SUBSET_TESTS_TESTING_WAIT_FOR_FILE_H_
