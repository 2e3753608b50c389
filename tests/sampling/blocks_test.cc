#include "sampling/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace subset::sampling {
namespace {

using ::testing::ElementsAre;
using Form = Draw::BlockForm;

Draw Of(Form form, uint64_t length, uint64_t gap = 0) {
  Draw draw;
  draw.blocks = form;
  draw.block_length = length;
  draw.block_gap = gap;
  return draw;
}

PhiloxKey Key(uint64_t epoch) { return DeriveKey({1, 1, epoch}, Purpose::kBlocks); }

std::vector<uint64_t> Counts(const std::vector<TimeBlock>& blocks, uint64_t n) {
  std::vector<uint64_t> counts(n);
  for (const TimeBlock& block : blocks) {
    for (uint64_t k = 0; k < block.length; ++k) ++counts[(block.start + k) % n];
  }
  return counts;
}

TEST(BlocksTest, MovingBlocksHoldTheEndsLessOften) {
  EXPECT_THAT(ExpectedInBlocks(Of(Form::kMoving, 3), 10, 1),
              ElementsAre(.125, .25, .375, .375, .375, .375, .375, .375, .25, .125));
  EXPECT_THAT(ExpectedInBlocks(Of(Form::kMoving, 4), 5, 2), ElementsAre(1, 2, 2, 2, 1));
}

TEST(BlocksTest, CircularAndStationaryBlocksHoldAllAlike) {
  for (const Form form : {Form::kCircular, Form::kStationary}) {
    for (const double mu : ExpectedInBlocks(Of(form, 3), 10, 2)) EXPECT_DOUBLE_EQ(mu, .6);
  }
}

TEST(BlocksTest, FixedBlocksLeaveTheirGapsOut) {
  EXPECT_THAT(ExpectedInBlocks(Of(Form::kFixed, 2, 1), 8, 1),
              ElementsAre(1. / 3, 1. / 3, 0, 1. / 3, 1. / 3, 0, 1. / 3, 1. / 3));
  EXPECT_THAT(ExpectedInBlocks(Of(Form::kFixed, 4), 6, 9), ElementsAre(1, 1, 1, 1, 1, 1));
}

TEST(BlocksTest, FixedBlocksAreAPartitionWithoutReplacement) {
  for (const uint64_t n : {1, 2, 7, 12, 100}) {
    for (uint64_t length = 1; length <= n; ++length) {
      for (uint64_t gap = 0; gap < n; gap += 3) {
        const Draw draw = Of(Form::kFixed, length, gap);
        const auto blocks = ChooseBlocks(draw, n, n, Key(n));
        const auto counts = Counts(blocks, n);
        for (uint64_t i = 0; i < n; ++i) {
          ASSERT_EQ(counts[i], i % (length + gap) < length ? 1 : 0);
        }
        for (const TimeBlock& block : blocks) ASSERT_LE(block.start + block.length, n);
      }
    }
  }
}

TEST(BlocksTest, MovingBlocksStayInsideAndCircularOnesMayWrap) {
  bool wrapped = false;
  for (uint64_t epoch = 0; epoch < 200; ++epoch) {
    for (const TimeBlock& block : ChooseBlocks(Of(Form::kMoving, 3), 10, 4, Key(epoch))) {
      ASSERT_LE(block.start + 3, 10);
      ASSERT_EQ(block.length, 3);
    }
    for (const TimeBlock& block : ChooseBlocks(Of(Form::kCircular, 3), 10, 4, Key(epoch))) {
      ASSERT_LT(block.start, 10);
      wrapped |= block.start + 3 > 10;
    }
  }
  EXPECT_TRUE(wrapped);
}

TEST(BlocksTest, EachPlaceIsHeldAsOftenAsExpected) {
  // Means of 20,000 epochs within 5.5 of their standard errors: false alarms below 2e-6 for all.
  constexpr uint64_t kN = 10;
  constexpr int kEpochs = 20000;
  for (const Draw& draw : {Of(Form::kFixed, 3), Of(Form::kFixed, 2, 2), Of(Form::kMoving, 3),
                           Of(Form::kCircular, 4), Of(Form::kStationary, 3)}) {
    const auto expected = ExpectedInBlocks(draw, kN, 2);
    std::vector<double> sum(kN), squares(kN);
    for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
      const auto counts = Counts(ChooseBlocks(draw, kN, 2, Key(epoch)), kN);
      for (uint64_t i = 0; i < kN; ++i) {
        sum[i] += static_cast<double>(counts[i]);
        squares[i] += static_cast<double>(counts[i] * counts[i]);
      }
    }
    for (uint64_t i = 0; i < kN; ++i) {
      const double mean = sum[i] / kEpochs;
      const double variance = squares[i] / kEpochs - mean * mean;
      EXPECT_NEAR(mean, expected[i], 5.5 * std::sqrt(variance / kEpochs) + 1e-12);
    }
  }
}

TEST(BlocksTest, StationaryLengthsAreGeometric) {
  // P(L = l) = p (1 - p)^(l - 1), p = 1/4; 11 cells, false alarms below 1e-6.
  std::vector<uint64_t> seen(11);
  const auto blocks = ChooseBlocks(Of(Form::kStationary, 4), 1000, 100000, Key(0));
  for (const TimeBlock& block : blocks) {
    ASSERT_GE(block.length, 1);
    ++seen[std::min<uint64_t>(block.length, 11) - 1];
  }
  double chi = 0;
  double left = 1;
  for (size_t l = 0; l < 11; ++l) {
    const double p = l == 10 ? left : left / 4;
    left -= p;
    const double deviation = static_cast<double>(seen[l]) - 100000 * p;
    chi += deviation * deviation / (100000 * p);
  }
  EXPECT_LT(chi, 48.0);  // 10 degrees of freedom: 6e-7
  for (const TimeBlock& block : ChooseBlocks(Of(Form::kStationary, 1), 10, 100, Key(1))) {
    EXPECT_EQ(block.length, 1);
  }
}

TEST(BlocksTest, LengthsAboveTheDataAreTheData) {
  EXPECT_EQ(Counts(ChooseBlocks(Of(Form::kMoving, 50), 10, 1, Key(0)), 10),
            std::vector<uint64_t>(10, 1));
  EXPECT_THAT(ExpectedInBlocks(Of(Form::kFixed, 50), 2, 1), ElementsAre(1, 1));
}

}  // namespace
}  // namespace subset::sampling
