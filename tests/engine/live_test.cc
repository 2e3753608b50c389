// Live draws: from the newest scores, each global batch once.

#include <atomic>
#include <thread>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kBatch = 10;

class LiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    t.options.keep_live_batches = 8;
    t.Reopen();
    ASSERT_OK(t.ImportLabels("d", 200));
    v1::SamplerSpec spec;
    spec.mutable_preference()->mutable_score_power()->set_alpha(1);
    spec.set_snapshot(v1::SNAPSHOT_LIVE);
    ASSERT_OK(t.CreateSampler("d/live", spec));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/live", kBatch));
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
  }
  absl::Status Report(const std::vector<uint32_t>& indices, float loss) {
    return t
        .Report(Losses(run.uid(), session, ++sequence, 0, std::nullopt, indices,
                       std::vector<float>(indices.size(), loss)))
        .status();
  }
  // Every sample but `favourite` gets a zero.
  absl::Status Prefer(uint32_t favourite) {
    std::vector<uint32_t> all(200);
    for (uint32_t i = 0; i < 200; ++i) all[i] = i;
    const absl::Status zeroed = Report(all, 0);
    return zeroed.ok() ? Report({favourite}, 1) : zeroed;
  }
  std::vector<uint32_t> Step(uint64_t step, uint64_t epoch = 0) {
    const auto batch = t.GetStep(run.uid(), epoch, step);
    EXPECT_OK(batch);
    return batch.ok() ? Decode<uint32_t>(batch->indices()) : std::vector<uint32_t>();
  }

  TestEngine t;
  v1::Run run;
  uint64_t session = 0;
  uint64_t sequence = 0;
};

TEST_F(LiveTest, DrawsFromTheNewestScores) {
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run.uid(), 0));
  EXPECT_EQ(epoch.opened(), v1::Epoch::NOT_SCORE_DRIVEN);
  EXPECT_EQ(epoch.num_steps(), 20u);
  Step(0);
  ASSERT_OK(Prefer(42));
  EXPECT_EQ(Step(1), std::vector<uint32_t>(kBatch, 42));
  ASSERT_OK(Report({42}, 0));
  ASSERT_OK(Report({7}, 3));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), 0, 2));
  EXPECT_EQ(Decode<uint32_t>(batch.indices()), std::vector<uint32_t>(kBatch, 7));
  EXPECT_EQ(Decode<double>(batch.probabilities()), std::vector<double>(kBatch, 1));
  EXPECT_EQ(batch.score_version().records(), 4u);
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_PER_DRAW);
}

TEST_F(LiveTest, ARetryGetsTheSameBatchWhateverWasReportedSince) {
  const std::vector<uint32_t> first = Step(0);
  ASSERT_OK(Prefer(42));
  EXPECT_EQ(Step(0), first);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    if (round == 1) {
      ASSERT_OK(t.engine->FoldNow());
    }
    if (round == 2) {
      ASSERT_OK(t.engine->FoldNow());
    }
    t.CrashAndReopen(/*survivors=*/1000);  // a kill: what was applied survives
    EXPECT_EQ(Step(0), first);
    EXPECT_EQ(Step(round + 1), std::vector<uint32_t>(kBatch, 42));
  }
}

TEST_F(LiveTest, RanksAndPositionsShareTheGlobalBatch) {
  std::vector<uint32_t> whole;
  for (uint32_t rank = 0; rank < 3; ++rank) {
    ASSERT_OK_AND_ASSIGN(const v1::Batch share, t.GetStep(run.uid(), 0, 1, rank, 3));
    const auto indices = Decode<uint32_t>(share.indices());
    whole.insert(whole.end(), indices.begin(), indices.end());
    ASSERT_OK(Prefer(rank));
  }
  EXPECT_EQ(Step(1), whole);
  const std::vector<uint32_t> before = Step(0);
  ASSERT_OK_AND_ASSIGN(const v1::Batch across, t.GetPositions(run.uid(), 0, 5, 10));
  std::vector<uint32_t> expected(before.begin() + 5, before.end());
  expected.insert(expected.end(), whole.begin(), whole.begin() + 5);
  EXPECT_EQ(Decode<uint32_t>(across.indices()), expected);
  EXPECT_EQ(Decode<float>(across.weights()).size(), 10u);
}

TEST_F(LiveTest, ManyRanksAtOnceGetOneDraw) {
  std::vector<std::thread> ranks;
  std::vector<std::vector<std::string>> got(4, std::vector<std::string>(20));
  for (int rank = 0; rank < 4; ++rank) {
    ranks.emplace_back([this, rank, &got] {
      for (uint64_t step = 0; step < 8; ++step) {
        const auto batch = t.GetStep(run.uid(), 0, step);
        ASSERT_OK(batch);
        got[rank][step] = batch->SerializeAsString();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (int rank = 1; rank < 4; ++rank) EXPECT_EQ(got[rank], got[0]);
}

TEST_F(LiveTest, WhatIsGoneIsAnErrorAndNeverDrawnAgain) {
  for (uint64_t step = 0; step < 12; ++step) Step(step);
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    const auto gone = t.GetStep(run.uid(), 0, 3);
    EXPECT_THAT(gone, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("before step 4")));
    EXPECT_THAT(gone, ReasonIs("DRAW_GONE"));
    EXPECT_OK(t.GetStep(run.uid(), 0, 4));
    if (round == 0) {
      ASSERT_OK(t.engine->FoldNow());
    }
    t.CrashAndReopen(1000);
  }
}

TEST_F(LiveTest, StepsMayNotBeSkippedByMoreThanAreKept) {
  EXPECT_THAT(t.GetStep(run.uid(), 0, 8), ReasonIs("DRAW_GONE"));
  const std::vector<uint32_t> seventh = Step(7);
  ASSERT_OK(Prefer(42));
  EXPECT_NE(Step(3), std::vector<uint32_t>(kBatch, 42));  // drawn on the way, before
  EXPECT_EQ(Step(7), seventh);
  EXPECT_THAT(t.GetStep(run.uid(), 0, 20), ReasonIs("EPOCH_END"));
}

TEST_F(LiveTest, ADrawThatWasNotLoggedWasNeverDrawn) {
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  t.disk.FailWrites(1, absl::UnavailableError("I/O error"));
  EXPECT_THAT(t.GetStep(run.uid(), 0, 0), StatusIs(absl::StatusCode::kUnavailable));
  t.disk.Repair();
  ASSERT_OK(Prefer(42));
  EXPECT_EQ(Step(0), std::vector<uint32_t>(kBatch, 42));
  t.CrashAndReopen(1000);
  EXPECT_EQ(Step(0), std::vector<uint32_t>(kBatch, 42));
}

TEST_F(LiveTest, EpochsDrawDifferentlyAndOldOnesGo) {
  ASSERT_OK(Prefer(42));
  ASSERT_OK(Report({43}, 1));
  const std::vector<uint32_t> first = Step(0, 0);
  EXPECT_NE(Step(0, 1), first);
  EXPECT_EQ(Step(0, 0), first);
  // A straggler draws from the newest scores.
  ASSERT_OK(Report({42, 43}, 0));
  ASSERT_OK(Report({9}, 1));
  EXPECT_EQ(Step(1, 0), std::vector<uint32_t>(kBatch, 9));
  Step(0, 2);
  Step(0, 3);
  EXPECT_THAT(t.GetStep(run.uid(), 0, 0), ReasonIs("EPOCH_GONE"));
}

// The live draw is built off the writer's thread: what is reported meanwhile is in it.
TEST_F(LiveTest, FeedbackWhileTheEpochOpensIsNotLost) {
  ASSERT_OK(Prefer(42));
  std::atomic<bool> stop{false};
  std::thread reporter([&] {
    while (!stop) EXPECT_OK(Report({42}, 1));
  });
  for (uint64_t epoch = 0; epoch < 20; ++epoch) ASSERT_OK(t.OpenEpoch(run.uid(), epoch));
  stop = true;
  reporter.join();
  ASSERT_OK(Report({42}, 0));
  ASSERT_OK(Report({5}, 2));
  EXPECT_EQ(Step(0, 19), std::vector<uint32_t>(kBatch, 5));
}

}  // namespace
}  // namespace subset
