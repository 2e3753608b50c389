// Updates, positions and the stored form of draws with replacement.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sampling/forgetting.h"
#include "tests/sampling/score_draw_testing.h"
#include "tests/testing/status_matchers.h"

namespace subset::sampling {
namespace {

TEST(ScoreDrawTest, TheLastScoreOfARepeatedIndexStays) {
  const Scores scores({1, 1, 1, 1});
  for (const auto& labels : {std::vector<uint16_t>{}, std::vector<uint16_t>{1, 0, 1, 0}}) {
    Options options;
    options.labels = labels;
    const PlanInput input = InputOf(scores, 4, options);
    const auto repeated = Build(input);
    repeated->Update({2, 0, 2, 2}, {8, 5, 1, 3});
    const auto once = Build(input);
    once->Update({0, 2}, {5, 3});
    EXPECT_EQ(repeated->Serialize(), once->Serialize());
    EXPECT_EQ(repeated->traits().effective_sample_ratio, once->traits().effective_sample_ratio);
  }
}

TEST(ScoreDrawTest, UpdatesOfForgettingWeighItsEvents) {
  const Scores states({PackForgetting({false, 1, 9, true}), PackForgetting({false, 3, 9, true}),
                       PackForgetting({true, 0, 9, false})});
  Options options;
  options.floor = 0;
  PlanInput input = InputOf(states, 3, options);
  input.spec.preference.score = kForgettingColumn;
  input.columns.scores[kForgettingColumn] = states.view();
  const auto draw = Build(input);
  std::vector<double> q(3);
  draw->Probabilities(absl::MakeSpan(q));
  const auto expect = [&](std::vector<double> events) {
    const double sum = events[0] + events[1] + events[2];
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(q[i], events[i] / sum, 1e-3) << i;
  };
  expect({1, 3, 10});
  draw->Update({0}, {PackForgetting({false, 6, 20, false})});
  draw->Probabilities(absl::MakeSpan(q));
  expect({6, 3, 10});
}

TEST(ScoreDrawTest, AnyHistoryOfUpdatesEqualsParsingItsLeaves) {
  constexpr size_t kN = 500;
  for (const Path& path : Paths(kN)) {
    const Scores scores(Lognormal(kN, 12));
    const PlanInput input = InputOf(scores, kN, path.options);
    const auto draw = Build(input);
    std::mt19937_64 random(13);
    for (int round = 0; round < 50; ++round) {
      std::vector<uint32_t> indices(1 + random() % 40);
      std::vector<float> values(indices.size());
      for (size_t k = 0; k < indices.size(); ++k) {
        indices[k] = random() % kN;
        values[k] = random() % 5 == 0 ? 0 : static_cast<float>(random() % 1000) / 100;
      }
      draw->Update(indices, values);
    }
    ASSERT_OK_AND_ASSIGN(const auto parsed, ScoreDraw::Parse(input, draw->Serialize()));
    const PlanTraits a = draw->traits();
    const PlanTraits b = parsed->traits();
    EXPECT_EQ(a.effective_sample_ratio, b.effective_sample_ratio) << path.name;
    EXPECT_EQ(a.distinct_samples, b.distinct_samples);
    EXPECT_EQ(a.clamped_leaves, b.clamped_leaves);
    EXPECT_EQ(a.fell_back_to_uniform, b.fell_back_to_uniform);
    const Drawn x = DrawMany(*draw, 5000);
    const Drawn y = DrawMany(*parsed, 5000);
    EXPECT_EQ(x.indices, y.indices) << path.name;
    EXPECT_EQ(x.probabilities, y.probabilities);
    EXPECT_EQ(x.weights, y.weights);
  }
}

TEST(ScoreDrawTest, ScoresOutsideTheScaleAreClampedAndCounted) {
  const auto draw = Build(InputOf(Scores(std::vector<float>(100, 1)), 100));
  EXPECT_EQ(draw->traits().clamped_leaves, 0);
  draw->Update({1, 2, 3}, {255, 1e20f, 1e-20f});
  EXPECT_EQ(draw->traits().clamped_leaves, 2);
}

TEST(ScoreDrawTest, PositionsMayBeCutIntoCallsAnywhere) {
  constexpr size_t kN = 5000;
  const Scores scores(Lognormal(kN, 14));
  for (const Path& path : Paths(kN)) {
    const auto draw = Build(InputOf(scores, kN, path.options));
    const Drawn whole = DrawMany(*draw, kN);
    Drawn cut(kN);
    std::mt19937_64 random(15);
    for (size_t p = 0; p < kN;) {
      const size_t count = std::min<size_t>(1 + random() % 1500, kN - p);
      draw->Draw({3, 1, 0}, p, absl::MakeSpan(cut.indices).subspan(p, count),
                 absl::MakeSpan(cut.probabilities).subspan(p, count),
                 absl::MakeSpan(cut.weights).subspan(p, count));
      p += count;
    }
    EXPECT_EQ(cut.indices, whole.indices) << path.name;
    EXPECT_EQ(cut.probabilities, whole.probabilities);
    EXPECT_EQ(cut.weights, whole.weights);
    Drawn bare(kN);
    draw->Draw({3, 1, 0}, 0, absl::MakeSpan(bare.indices), {}, absl::MakeSpan(bare.weights));
    EXPECT_EQ(bare.indices, whole.indices);
    EXPECT_EQ(bare.weights, whole.weights);
  }
}

TEST(ScoreDrawTest, SeedVersionAndEpochEachGiveOtherDraws) {
  const auto draw = Build(InputOf(Scores(Lognormal(1000, 16)), 1000));
  std::vector<std::vector<uint32_t>> all;
  for (const StreamKey& key :
       {StreamKey{1, 1, 0}, StreamKey{2, 1, 0}, StreamKey{1, 2, 0}, StreamKey{1, 1, 1}}) {
    all.emplace_back(200);
    draw->Draw(key, 0, absl::MakeSpan(all.back()), {}, {});
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(ScoreDrawTest, TheMemoryOfTheIndexIsBelowThePromise) {
  const auto draw = Build(InputOf(Scores(Lognormal(1000000, 17)), 1000000));
  EXPECT_LE(static_cast<double>(draw->memory_bytes()) / 1000000, 2.4);
  EXPECT_LE(draw->Serialize().size(), 2 * 1000000 + 100);
}

TEST(WeightedPlanTest, IsTheDrawOfItsEpochAndComesBackFromItsBytes) {
  const Scores scores(Lognormal(3000, 18));
  PlanInput input = InputOf(scores, 3000);
  input.spec.draw.fraction = .29;
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  EXPECT_EQ(plan->traits().num_positions, 870);
  const Drawn drawn = DrawEpoch(*plan);
  EXPECT_EQ(drawn.indices, DrawMany(*Build(input), 870).indices);
  const std::string stored = plan->Serialize();
  input.columns.scores["loss"] = {};
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, stored));
  const Drawn again = DrawEpoch(*parsed);
  EXPECT_EQ(again.indices, drawn.indices);
  EXPECT_EQ(again.probabilities, drawn.probabilities);
  EXPECT_EQ(again.weights, drawn.weights);
}

TEST(WeightedPlanTest, AUniformDrawStoresNothing) {
  const PlanInput input = UniformInput(1000);
  ASSERT_OK_AND_ASSIGN(const auto plan, BuildPlan(input));
  EXPECT_EQ(plan->Serialize(), "");
  EXPECT_EQ(plan->traits().probability, .001);
  EXPECT_EQ(plan->traits().weight, 1.0f);
  ASSERT_OK_AND_ASSIGN(const auto parsed, ParsePlan(input, ""));
  EXPECT_EQ(DrawEpoch(*parsed).indices, DrawEpoch(*plan).indices);
}

TEST(WeightedPlanTest, StoredBytesThatDoNotFitAreDataLoss) {
  const Scores scores(Lognormal(60, 19));
  const PlanInput input = InputOf(scores, 60);
  const std::string stored = Build(input)->Serialize();
  const auto refused = [](const PlanInput& for_input, const std::string& bytes) {
    EXPECT_THAT(ParsePlan(for_input, bytes), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_THAT(ScoreDraw::Parse(for_input, bytes), StatusIs(absl::StatusCode::kDataLoss));
  };
  for (size_t k = 0; k < stored.size(); ++k) {
    refused(input, stored.substr(0, k));
    std::string flipped = stored;
    flipped[k] ^= 16;
    refused(input, flipped);
  }
  refused(InputOf(scores, 59), stored);
  Options strata;
  strata.labels = Labels(60, 20);
  refused(InputOf(scores, 60, strata), stored);
  EXPECT_THAT(ParsePlan(UniformInput(60), stored), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(WeightedPlanTest, NoSlotIsNothingToDraw) {
  const Scores scores({1, 2});
  PlanInput input = InputOf(scores, 2);
  input.spec.draw.fraction = .4;
  EXPECT_THAT(BuildPlan(input), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(BuildPlan(input), ReasonIs("NOTHING_TO_DRAW"));
  EXPECT_THAT(ScoreDraw::Build(InputOf(Scores({}), 0)), ReasonIs("NOTHING_TO_DRAW"));
}

}  // namespace
}  // namespace subset::sampling
