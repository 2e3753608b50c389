// Bits of a range against comparisons one at a time, at every SIMD level.

#include "sampling/range_bits.h"

#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

class RangeBitsTest : public ::testing::TestWithParam<SimdLevel> {
 protected:
  template <typename T>
  static void ExpectAsOneAtATime();

 private:
  ScopedSimdLimit limit_{GetParam()};
};

template <typename T>
void RangeBitsTest::ExpectAsOneAtATime() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> few = {Limits::lowest(), Limits::max(), T{0}, T{1}, T{2}, T{100}, T{101}};
  if constexpr (std::is_floating_point_v<T>) {
    const std::vector<T> odd = {-T{0}, Limits::denorm_min(), -Limits::denorm_min(),
                                Limits::infinity(), -Limits::infinity()};
    few.insert(few.end(), odd.begin(), odd.end());
  }
  const std::vector<T> bounds = few;
  if constexpr (std::is_floating_point_v<T>) few.push_back(Limits::quiet_NaN());
  std::mt19937_64 random(3);
  for (const size_t size : {0, 1, 63, 64, 65, 128, 1000}) {
    std::vector<T> values;
    for (size_t k = 0; k < size; ++k) values.push_back(few[random() % few.size()]);
    for (const T low : bounds) {
      for (const T high : bounds) {  // below `low`, too: nothing is inside then
        std::vector<RangeBits> words((size + 63) / 64, RangeBits{~uint64_t{0}, ~uint64_t{0}});
        CompareToRange<T>(values, low, high, words.data());
        for (size_t k = 0; k < 64 * words.size(); ++k) {
          const RangeBits& word = words[k / 64];
          ASSERT_EQ(word.below >> k % 64 & 1, k < size && values[k] < low);
          ASSERT_EQ(word.inside >> k % 64 & 1, k < size && values[k] >= low && values[k] <= high);
        }
      }
    }
  }
}

TEST_P(RangeBitsTest, IntegersAreComparedAsOneAtATime) {
  ExpectAsOneAtATime<uint8_t>();
  ExpectAsOneAtATime<uint16_t>();
  ExpectAsOneAtATime<uint32_t>();
  ExpectAsOneAtATime<int64_t>();
}

TEST_P(RangeBitsTest, FloatsAreComparedAsOneAtATime) {
  ExpectAsOneAtATime<float>();
  ExpectAsOneAtATime<double>();
}

INSTANTIATE_TEST_SUITE_P(Levels, RangeBitsTest,
                         ::testing::Values(SimdLevel::kPortable, SimdLevel::kAvx2,
                                           SimdLevel::kAvx512));

}  // namespace
}  // namespace subset::sampling
