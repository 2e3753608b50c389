#include "server/memory_limit.h"

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

class MemoryLimitTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = dir_.File(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  uint64_t Usable() { return UsableMemoryBytes(dir_.path() + "/"); }

 private:
  TempDir dir_;
};

TEST_F(MemoryLimitTest, NothingKnownIsNoLimit) { EXPECT_EQ(Usable(), 0u); }

TEST_F(MemoryLimitTest, FourFifthsOfTheMachine) {
  Write("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");
  EXPECT_EQ(Usable(), 819200u);
}

TEST_F(MemoryLimitTest, TheContainersLimitWinsWhereSmaller) {
  Write("proc/meminfo", "MemTotal:       1000 kB\n");
  Write("sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(Usable(), 819200u);
  Write("sys/fs/cgroup/memory.max", "100000\n");
  EXPECT_EQ(Usable(), 80000u);
  Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "50000\n");
  EXPECT_EQ(Usable(), 40000u);
}

TEST(MemoryLimitOfThisMachineTest, IsPositive) { EXPECT_GT(UsableMemoryBytes(), 1u << 20); }

}  // namespace
}  // namespace subset
