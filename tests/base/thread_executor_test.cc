#include "base/thread_executor.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(ThreadExecutorTest, DoesEachPartOnce) {
  for (const size_t threads : {0, 1, 2, 3, 8}) {
    const ThreadExecutor executor(threads);
    EXPECT_GE(executor.threads(), 1u);
    for (const size_t parts : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<std::atomic<int>> done(parts);
      executor.Run(parts, [&](size_t part) { ++done[part]; });
      for (size_t part = 0; part < parts; ++part) ASSERT_EQ(done[part], 1) << part;
    }
  }
}

TEST(ThreadExecutorTest, TheCallerSeesWhatPartsWrote) {
  std::vector<size_t> written(1000);
  AllThreads().Run(written.size(), [&](size_t part) { written[part] = part + 1; });
  for (size_t part = 0; part < written.size(); ++part) ASSERT_EQ(written[part], part + 1);
}

TEST(ThreadExecutorTest, CallsMayRunTogetherAndWithinOneAnother) {
  const ThreadExecutor executor(3);
  std::atomic<int> done = 0;
  executor.Run(4, [&](size_t) { executor.Run(5, [&](size_t) { ++done; }); });
  EXPECT_EQ(done, 20);
}

// Two parts that wait for each other end only if two threads work on them.
TEST(ThreadExecutorTest, PartsRunAtTheSameTime) {
  std::atomic<int> begun = 0;
  ThreadExecutor(2).Run(2, [&](size_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 2);
}

}  // namespace
}  // namespace subset
