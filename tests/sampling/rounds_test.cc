#include "sampling/rounds.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sampling/plan_testing.h"

namespace subset::sampling {
namespace {

constexpr StreamKey kKey = {11, 1, 0};

std::set<uint32_t> SetOf(const std::vector<uint32_t>& slice) {
  return {slice.begin(), slice.end()};
}

// The definition, walked from round 0: an order over all, refilled when it is used up; what a slice
// already holds waits at the head.
std::vector<std::set<uint32_t>> WalkedRounds(const std::vector<std::vector<uint32_t>>& orders,
                                             size_t size, size_t rounds) {
  std::vector<uint32_t> waiting;
  size_t next = 0;
  std::vector<std::set<uint32_t>> slices;
  while (slices.size() < rounds) {
    std::set<uint32_t> slice;
    std::vector<uint32_t> later;
    while (slice.size() < size) {
      if (waiting.empty()) waiting = orders.at(next++);
      const uint32_t i = waiting.front();
      waiting.erase(waiting.begin());
      if (!slice.insert(i).second) later.push_back(i);
    }
    waiting.insert(waiting.begin(), later.begin(), later.end());
    slices.push_back(slice);
  }
  return slices;
}

TEST(RoundsTest, EverySliceHoldsExactlySoManyDistinctNumbers) {
  for (const uint64_t n : {1, 2, 3, 10, 97, 1000}) {
    for (uint64_t size = 1; size <= n; size += 1 + n / 40) {
      for (uint64_t round = 0; round < 40; ++round) {
        const auto slice = RoundSlice(kKey, n, size, round);
        ASSERT_EQ(slice.size(), size);
        ASSERT_EQ(SetOf(slice).size(), size) << n << " " << size << " " << round;
        ASSERT_LT(*std::max_element(slice.begin(), slice.end()), n);
      }
    }
  }
}

TEST(RoundsTest, EachItemComesExactlySizeTimesInNRounds) {
  for (const uint64_t n : {10, 11, 64}) {
    for (uint64_t size = 1; size <= n; ++size) {
      std::vector<uint64_t> counts(n);
      for (uint64_t round = 0; round < n; ++round) {
        for (const uint32_t i : RoundSlice(kKey, n, size, round)) ++counts[i];
      }
      EXPECT_EQ(counts, std::vector<uint64_t>(n, size)) << n << " " << size;
    }
  }
}

TEST(RoundsTest, CoverageAfterTRoundsIsTSlicesOrEverything) {
  for (const uint64_t n : {10, 37}) {
    for (uint64_t size = 1; size <= n; ++size) {
      std::set<uint32_t> covered;
      for (uint64_t t = 1; t <= n; ++t) {
        covered.merge(SetOf(RoundSlice(kKey, n, size, t - 1)));
        EXPECT_EQ(covered.size(), std::min(n, t * size)) << n << " " << size << " " << t;
      }
    }
  }
}

TEST(RoundsTest, AnyRoundIsWhatWalkingThereGives) {
  // The orders are read off the slices that lie inside one; then every slice is a walked one.
  for (const uint64_t n : {10, 11, 12, 25}) {
    for (uint64_t size = 1; size <= n / 2; ++size) {
      constexpr size_t kRounds = 30;
      std::vector<std::vector<uint32_t>> orders;
      for (uint64_t cycle = 0; cycle * n < kRounds * size + n; ++cycle) {
        // A slice of one number a round is the order itself.
        std::vector<uint32_t> order;
        for (uint64_t k = 0; k < n; ++k) order.push_back(RoundSlice(kKey, n, 1, cycle * n + k)[0]);
        orders.push_back(order);
      }
      const auto walked = WalkedRounds(orders, size, kRounds);
      for (size_t round = 0; round < kRounds; ++round) {
        EXPECT_EQ(SetOf(RoundSlice(kKey, n, size, round)), walked[round])
            << n << " " << size << " " << round;
      }
    }
  }
}

TEST(RoundsTest, EachItemIsInEachRoundEquallyOften) {
  // 9 rounds of N = 10 for 20,000 seeds. Without replacement Pearson's sum times (N-1)/(N-m) has
  // N - 1 = 9 degrees of freedom; false alarms below 1e-6 a round.
  for (const uint64_t size : {3, 7}) {
    for (uint64_t round = 0; round < 9; ++round) {
      std::vector<uint64_t> counts(10);
      for (uint64_t seed = 0; seed < 20000; ++seed) {
        for (const uint32_t i : RoundSlice({seed, 1, 0}, 10, size, round)) ++counts[i];
      }
      const ChiSquare chi = Pearson(counts, std::vector<double>(10, .1));
      const double value = chi.value * 9 / (10 - static_cast<double>(size));
      EXPECT_LT(value, ChiSquareLimit(9)) << size << " " << round;
    }
  }
}

TEST(RoundsTest, TheRoundAndNotTheKeysEpochDecides) {
  EXPECT_EQ(RoundSlice({1, 1, 0}, 1000, 100, 7), RoundSlice({1, 1, 7}, 1000, 100, 7));
  EXPECT_NE(RoundSlice({1, 1, 0}, 1000, 100, 7), RoundSlice({1, 1, 0}, 1000, 100, 8));
  EXPECT_NE(RoundSlice({1, 1, 0}, 1000, 100, 7), RoundSlice({2, 1, 0}, 1000, 100, 7));
}

TEST(RoundsTest, LargeNumbersAndLateRoundsKeepTheLaw) {
  constexpr uint64_t kN = 100003;
  for (const uint64_t size : {uint64_t{33333}, uint64_t{90000}}) {
    for (const uint64_t round : {uint64_t{0}, uint64_t{3}, uint64_t{1} << 40}) {
      const auto slice = RoundSlice(kKey, kN, size, round);
      EXPECT_EQ(SetOf(slice).size(), size);
    }
  }
}

}  // namespace
}  // namespace subset::sampling
