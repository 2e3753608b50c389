#include "base/mutex.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace subset {
namespace {

TEST(FairSharedMutexTest, WritersExcludeEveryoneAndReadersSeeWholeWrites) {
  FairSharedMutex mu;
  uint64_t a = 0, b = 0;  // always equal outside the lock
  std::atomic<bool> torn{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        ReaderLock lock(&mu);
        if (a != b) torn = true;
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20000; ++i) {
        WriterLock lock(&mu);
        ++a;
        ++b;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(torn);
  EXPECT_EQ(a, 40000u);
}

// Readers that never pause starve the writer of glibc's shared_mutex; ours admits it.
TEST(FairSharedMutexTest, AWriterIsAdmittedWhileReadersNeverPause) {
  FairSharedMutex mu;
  std::atomic<bool> done{false};
  std::vector<std::thread> readers;
  for (int t = 0; t < 4; ++t) {
    readers.emplace_back([&] {
      while (!done) ReaderLock lock(&mu);
    });
  }
  for (int i = 0; i < 1000; ++i) WriterLock lock(&mu);
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST(CondVarTest, TimeoutIsReported) {
  Mutex mu;
  CondVar cv;
  MutexLock lock(&mu);
  EXPECT_FALSE(cv.WaitWithTimeout(&mu, absl::Milliseconds(1)));
}

}  // namespace
}  // namespace subset
