#include "base/cpu_limit.h"

#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gtest/gtest.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

class CpuLimitTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = dir_.File("sys/fs/cgroup/" + name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  size_t Usable() { return UsableCpus(dir_.path() + "/"); }

  const size_t machine_ = UsableCpus("/nowhere/");

 private:
  TempDir dir_;
};

TEST_F(CpuLimitTest, WithoutAQuotaItIsTheMachines) {
  EXPECT_EQ(Usable(), machine_);
  Write("cpu.max", "max 100000\n");
  EXPECT_EQ(Usable(), machine_);
  Write("cpu/cpu.cfs_quota_us", "-1\n");
  Write("cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(Usable(), machine_);
}

TEST_F(CpuLimitTest, WhereAThreadMayRunCounts) {
  EXPECT_LE(machine_, std::max(1u, std::thread::hardware_concurrency()));
  size_t usable = 0;
  std::thread([&] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
    usable = Usable();
  }).join();
  EXPECT_EQ(usable, 1u);
}

TEST_F(CpuLimitTest, AQuotaIsRoundedUp) {
  Write("cpu.max", "50000 100000\n");
  EXPECT_EQ(Usable(), 1u);
  Write("cpu.max", "100001 100000\n");
  EXPECT_EQ(Usable(), std::min<size_t>(2, machine_));
  Write("cpu.max", "100000000 100000\n");
  EXPECT_EQ(Usable(), machine_);
}

TEST_F(CpuLimitTest, SoIsThatOfVersionOne) {
  Write("cpu/cpu.cfs_quota_us", "20000\n");
  EXPECT_EQ(Usable(), machine_);  // no period
  Write("cpu/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(Usable(), 1u);
}

}  // namespace
}  // namespace subset
