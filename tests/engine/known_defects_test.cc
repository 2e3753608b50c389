// Defects found in other systems that concern delivery and feedback (those that concern drawing are
// in tests/sampling/known_defects_test.cc). Each test shows that ours is right.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/catalog.h"
#include "engine/recovery.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

class KnownDefectsTest : public ::testing::Test {
 protected:
  Uid MakeRun(uint64_t num_samples, uint32_t global_batch_size) {
    EXPECT_OK(t.Import("d", num_samples, {}));
    EXPECT_OK(t.CreateSampler("d/s", "uniform"));
    return t.CreateRun("r", "d/s", global_batch_size)->uid();
  }
  // What the ranks of a step have, one after the other.
  std::vector<uint32_t> Ranks(Uid run, uint64_t step, uint32_t world_size) {
    std::vector<uint32_t> all;
    for (uint32_t rank = 0; rank < world_size; ++rank) {
      const auto batch = t.GetStep(run, 0, step, rank, world_size);
      EXPECT_OK(batch);
      const std::vector<uint32_t> indices = Decode<uint32_t>(batch->indices());
      all.insert(all.end(), indices.begin(), indices.end() - batch->padding());
    }
    return all;
  }

  TestEngine t;
};

TEST_F(KnownDefectsTest, InfoBatchSendsIndicesAsFloatsThatAreNotThem) {
  // Defect 4: gathered with losses as float32, 2^24 + 1 arrives as 2^24.
  constexpr uint32_t kOdd = (1u << 24) + 1;
  ASSERT_EQ(static_cast<uint32_t>(static_cast<float>(kOdd)), kOdd - 1);
  const Uid run = MakeRun(kOdd + 2, 8);
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run));
  ASSERT_OK(t.Report(Losses(run, session, 1, 0, std::nullopt, {kOdd, kOdd + 1}, {3, 4})));
  t.engine.reset();
  Catalog catalog;
  ASSERT_OK(Recover(t.disk.Open().get(), &catalog));
  const RunSnapshot snapshot = catalog.FindRun("r")->Snapshot({"loss"});
  const sampling::ScoreView losses = snapshot.views().at("loss");
  EXPECT_TRUE(std::isnan(losses[kOdd - 1]));
  EXPECT_EQ(losses[kOdd], 3);
  EXPECT_EQ(losses[kOdd + 1], 4);
}

TEST_F(KnownDefectsTest, DlroverDropsAShardThatFailedThreeTimes) {
  // Defect 8: and calls the epoch complete. Ours is parked, which whoever asks is told.
  const Uid run = MakeRun(20, 10);
  ASSERT_OK(t.Acknowledge(Acknowledgement(run, *t.Acquire(run, 0, "w"), "w")));
  for (int failure = 1; failure <= 5; ++failure) {
    ASSERT_OK_AND_ASSIGN(const v1::Batch block, t.Acquire(run, 0, "w"));
    ASSERT_EQ(block.position(), 10u) << "the same block again";
    ASSERT_OK(t.Acknowledge(Acknowledgement(run, block, "w", "corrupt")));
  }
  const auto end = t.Acquire(run, 0, "w");
  EXPECT_THAT(end, StatusIs(absl::StatusCode::kOutOfRange, ::testing::HasSubstr("10 parked")));
  EXPECT_EQ(t.GetRun("r")->epochs(0).acknowledged_positions(), 10u);
  EXPECT_EQ(t.GetRun("r")->epochs(0).parked_positions(), 10u);
  ASSERT_OK(t.Release(run, 0));
  EXPECT_EQ(t.Acquire(run, 0, "w")->position(), 10u) << "nothing is lost";
}

TEST_F(KnownDefectsTest, ReverbTakesAnInfinitePriority) {
  // Defect 9, the first half: only NaN and negative ones are refused there.
  const Uid run = MakeRun(20, 10);
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run));
  for (const float wrong : {std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(), std::nanf(""), -1.f}) {
    EXPECT_THAT(t.Report(Losses(run, session, 1, 0, std::nullopt, {3}, {wrong})),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << wrong;
  }
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 0u);
}

TEST_F(KnownDefectsTest, ShadeGivesItsRanksDifferentDraws) {
  // Defect 10: unseeded, so ranks draw sets of their own, and no run can be resumed.
  const Uid run = MakeRun(96, 24);
  std::vector<uint32_t> seen;
  for (uint64_t step = 0; step < 4; ++step) {
    const std::vector<uint32_t> global = Ranks(run, step, 1);
    EXPECT_EQ(Ranks(run, step, 5), global);
    t.CrashAndReopen();
    EXPECT_EQ(Ranks(run, step, 3), global);
    seen.insert(seen.end(), global.begin(), global.end());
  }
  std::sort(seen.begin(), seen.end());
  std::vector<uint32_t> everything(96);
  std::iota(everything.begin(), everything.end(), 0);
  EXPECT_EQ(seen, everything);
}

TEST_F(KnownDefectsTest, StreamingRepeatsSamplesWhereItsNodesDoNotDivideWhatWasSeen) {
  // Defect 12: it resumes up to nodes - 1 samples early.
  const Uid run = MakeRun(70, 10);
  std::vector<uint32_t> seen;
  for (uint64_t step = 0; step < 3; ++step) {
    const std::vector<uint32_t> part = Ranks(run, step, 1);
    seen.insert(seen.end(), part.begin(), part.end());
  }
  t.CrashAndReopen();
  for (uint64_t step = 3; step < 7; ++step) {  // 40 samples, over 7 ranks
    const std::vector<uint32_t> part = Ranks(run, step, 7);
    seen.insert(seen.end(), part.begin(), part.end());
  }
  ASSERT_EQ(seen.size(), 70u);
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
}

}  // namespace
}  // namespace subset
