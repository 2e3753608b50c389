#include "sampling/permutation.h"

#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "sampling/simd.h"

namespace subset::sampling {
namespace {

std::vector<uint64_t> AwkwardSizes() {
  std::vector<uint64_t> sizes = {1, 2, 3, 5, 10, 65535, 65536, 65537, 66049, 1234567, 10000019};
  for (int k = 2; k <= 20; ++k) {
    for (const int d : {-1, 0, 1}) sizes.push_back((uint64_t{1} << k) + d);
  }
  return sizes;
}

TEST(PermutationTest, IsABijectionOfEveryAwkwardRange) {
  for (const uint64_t n : AwkwardSizes()) {
    for (const PhiloxKey key : {PhiloxKey{0, 0}, PhiloxKey{1, 0}, PhiloxKey{0xffffffff, 7}}) {
      if (n > 5000000 && key[0] > 0) continue;
      const Permutation permutation(n, key);
      std::vector<uint32_t> images(n);
      permutation.Fill(0, absl::MakeSpan(images));
      std::vector<bool> seen(n);
      for (const uint32_t image : images) {
        ASSERT_LT(image, n);
        ASSERT_FALSE(seen[image]) << "n " << n << " image " << image << " twice";
        seen[image] = true;
      }
    }
  }
}

TEST(PermutationTest, FillEqualsAtOnEveryPath) {
  for (const SimdLevel level : {SimdLevel::kPortable, SimdLevel::kAvx2, SimdLevel::kAvx512}) {
    const ScopedSimdLimit limit(level);
    for (const uint64_t n :
         {uint64_t{1000}, uint64_t{65536}, uint64_t{65537}, uint64_t{1234567},
          (uint64_t{1} << 31) - 1, uint64_t{1} << 31, (uint64_t{1} << 31) + 1,
          (uint64_t{1} << 32) - 65537, (uint64_t{1} << 32) - 1, uint64_t{1} << 32}) {
      const Permutation permutation(n, {11, 22});
      for (const uint64_t first : {uint64_t{0}, uint64_t{1}, n / 3, n / 2 + 77, n - 700}) {
        for (const size_t length : {0, 1, 31, 32, 33, 500, 700}) {
          if (first + length > n) continue;
          std::vector<uint32_t> images(length);
          permutation.Fill(first, absl::MakeSpan(images));
          for (size_t i = 0; i < length; ++i) {
            ASSERT_EQ(images[i], permutation.At(first + i)) << n << " at " << first + i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace subset::sampling
