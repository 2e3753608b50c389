#include "sampling/forgetting.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace subset::sampling {
namespace {

float After(const std::vector<int>& answers) {
  float state = NAN;
  for (const int correct : answers) state = FoldForgetting(state, correct != 0);
  return state;
}

TEST(ForgettingTest, AnEventIsAWrongAnswerRightAfterACorrectOne) {
  EXPECT_EQ(ForgettingRank(After({0, 1, 0, 1, 1, 0})), 2);
  EXPECT_EQ(ForgettingRank(After({1, 1, 1})), 0);
  EXPECT_EQ(ForgettingRank(After({0, 1})), 0);  // wrong before the first presentation: no event
  EXPECT_EQ(ForgettingRank(After({1, 0})), 1);
}

TEST(ForgettingTest, NeverLearnedRanksAboveAllAndWeighsOneMoreThanItsPresentations) {
  EXPECT_EQ(ForgettingRank(After({0, 0, 0})), 2048);
  EXPECT_EQ(ForgettingWeight(After({0, 0, 0})), 4);
  EXPECT_EQ(ForgettingWeight(After({0, 1, 0, 1, 1, 0})), 2);
}

TEST(ForgettingTest, NoPresentationIsUnscoredAndNotNeverLearned) {
  EXPECT_TRUE(std::isnan(ForgettingRank(NAN)));
  EXPECT_TRUE(std::isnan(ForgettingWeight(NAN)));
  EXPECT_TRUE(std::isnan(PackForgetting(ForgettingState{})));
}

TEST(ForgettingTest, FoldingIsCountingByHand) {
  std::mt19937 random(6);
  for (int i = 0; i < 2000; ++i) {
    std::vector<int> answers(1 + random() % 40);
    for (int& correct : answers) correct = random() % 2;
    uint32_t events = 0;
    bool ever = answers[0] != 0;
    for (size_t t = 1; t < answers.size(); ++t) {
      events += answers[t - 1] != 0 && answers[t] == 0;
      ever |= answers[t] != 0;
    }
    const auto state = UnpackForgetting(After(answers));
    ASSERT_TRUE(state.has_value());
    ASSERT_EQ(state->events, events);
    ASSERT_EQ(state->presentations, answers.size());
    ASSERT_EQ(state->never_learned, !ever);
    ASSERT_EQ(state->last_correct, answers.back() != 0);
  }
}

TEST(ForgettingTest, CountsStopAtTheirLimitAndStayExact) {
  float state = NAN;
  for (int i = 0; i < 10000; ++i) state = FoldForgetting(state, i % 2 == 0);
  EXPECT_EQ(ForgettingRank(state), kMaxForgettingCount);
  EXPECT_EQ(UnpackForgetting(state)->presentations, kMaxForgettingCount);
  EXPECT_EQ(FoldForgetting(state, false), state);
  float never = NAN;
  for (int i = 0; i < 10000; ++i) never = FoldForgetting(never, false);
  EXPECT_GT(never, state);
  EXPECT_EQ(ForgettingWeight(never), kMaxForgettingCount + 1);
  EXPECT_LT(never, 0x1p24f);
}

TEST(ForgettingTest, WhatIsNoStateCountsAsNeverPresented) {
  for (const float odd : {-1.0f, 0.0f, 1.5f, 0x1p24f, INFINITY, -INFINITY, 1e30f,
                          0x1p23f + 1 /* never learned, never presented, last correct */}) {
    EXPECT_FALSE(UnpackForgetting(odd).has_value()) << odd;
    EXPECT_EQ(FoldForgetting(odd, true), After({1})) << odd;
  }
}

}  // namespace
}  // namespace subset::sampling
