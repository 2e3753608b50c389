// Radix sort does what std::sort does, whoever works on its buckets.

#include "sampling/radix_sort.h"

#include <algorithm>
#include <random>
#include <vector>

#include "base/thread_executor.h"
#include "gtest/gtest.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

void ExpectSorts(std::vector<uint32_t> upper, int bits, const Executor* executor) {
  std::vector<uint64_t> values;
  for (const uint32_t half : upper) values.push_back(uint64_t{half} << 32 | 3 * values.size());
  std::vector<uint64_t> scratch(values.size(), ~uint64_t{0});
  std::vector<uint64_t> expected = values;
  std::sort(expected.begin(), expected.end());
  RadixSort(absl::MakeSpan(values), bits, absl::MakeSpan(scratch), executor);
  ASSERT_TRUE(values == expected) << values.size() << " values of " << bits << " bits";
}

TEST(RadixSortTest, SortsAsComparingDoes) {
  const ThreadExecutor threads(3);
  std::mt19937_64 random(3);
  for (const uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{64}, uint64_t{65}, uint64_t{1000},
                              kPartSize, kPartSize + 1, 2 * kPartSize + 77}) {
    for (const int bits : {0, 1, 8, 11, 12, 19, 32}) {
      std::vector<uint32_t> any, skewed, top;
      for (uint64_t k = 0; k < size; ++k) {
        const auto half = static_cast<uint32_t>((random() % (uint64_t{1} << 32)) >> (32 - bits));
        any.push_back(half);
        skewed.push_back(half >> (random() % 32));
        top.push_back(k % 1000 == 7 ? half : static_cast<uint32_t>((uint64_t{1} << bits) - 1));
      }
      for (const auto& upper : {any, skewed, top}) {
        ExpectSorts(upper, bits, nullptr);
        ExpectSorts(upper, bits, &threads);
      }
    }
  }
}

}  // namespace
}  // namespace subset::sampling
