// Members written out, at every SIMD level and by whoever works on the parts.

#include "sampling/set_members.h"

#include <cstdint>
#include <random>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

class SetMembersTest : public ::testing::TestWithParam<SimdLevel> {
 private:
  ScopedSimdLimit limit_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Levels, SetMembersTest,
                         ::testing::Values(SimdLevel::kPortable, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512));

TEST_P(SetMembersTest, AreWrittenInOrderAndNothingBehindThem) {
  constexpr uint32_t kUntouched = 0xfeedface;
  const ThreadExecutor threads(3);
  std::mt19937_64 random(8);
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{1}, uint64_t{65}, kPartSize, 2 * kPartSize + 77}) {
    for (const uint64_t of_1000 : {0, 1, 100, 500, 990, 1000}) {
      SampleSet set(size);
      std::vector<uint32_t> members;
      for (uint64_t i = 0; i < size; ++i) {
        if (random() % 1000 >= of_1000) continue;
        set.Insert(i);
        members.push_back(static_cast<uint32_t>(i));
      }
      members.push_back(kUntouched);
      for (const Executor* executor :
           {static_cast<const Executor*>(nullptr), static_cast<const Executor*>(&threads)}) {
        const SetMembers written(set, executor);
        ASSERT_EQ(written.size(), members.size() - 1);
        std::vector<uint32_t> out(members.size(), kUntouched);
        written.Write(out.data());
        ASSERT_EQ(out, members);
      }
    }
  }
}

}  // namespace
}  // namespace subset::sampling
