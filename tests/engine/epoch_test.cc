// When epochs open, and what stays of them.

#include <algorithm>
#include <atomic>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSamples = 60;

// A run over a dataset of 60, driven by scores, with epoch 0 open.
class EpochTest : public ::testing::Test {
 protected:
  void SetUp() override { Start(/*drop_last=*/false, 10); }

  void Start(bool drop_last, uint32_t batch) {
    ASSERT_OK(t.ImportLabels("d", kSamples, 4));
    ASSERT_OK(t.CreateSampler("d/s", "importance"));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/s", batch, drop_last));
    ASSERT_OK_AND_ASSIGN(uniform, t.CreateRun("u", "d/u", 10));
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
    ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run.uid(), 0));
    EXPECT_EQ(epoch.opened(), v1::Epoch::FIRST);
  }

  // Acknowledges positions of an epoch, with losses.
  absl::Status Acknowledge(uint64_t epoch, uint64_t begin, uint64_t end) {
    const auto batch = t.GetPositions(run.uid(), epoch, begin, end - begin);
    if (!batch.ok()) return batch.status();
    std::vector<float> losses(end - begin, 1.5f);
    return t
        .Report(Losses(run.uid(), session, ++sequence, epoch, begin,
                       Decode<uint32_t>(batch->indices()), losses))
        .status();
  }

  // Returns when the planner has looked at everything asked before.
  void WaitForPlanner() { EXPECT_OK(t.OpenEpoch(uniform.uid(), next_uniform_epoch++)); }

  TestEngine t;
  v1::Run run, uniform;
  uint64_t session = 0;
  uint64_t sequence = 0;
  uint64_t next_uniform_epoch = 0;
};

TEST_F(EpochTest, WithoutScoresItOpensAtFirstUse) {
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(uniform.uid(), 5));
  EXPECT_EQ(epoch.opened(), v1::Epoch::NOT_SCORE_DRIVEN);
  EXPECT_EQ(epoch.num_positions(), kSamples);
  EXPECT_EQ(epoch.distinct_samples(), kSamples);
  EXPECT_EQ(epoch.open_time().seconds(), absl::ToUnixSeconds(t.clock.Now()));
  // Asked again, it is as it was opened.
  ASSERT_OK_AND_ASSIGN(const v1::Epoch again, t.OpenEpoch(uniform.uid(), 5, /*now=*/true));
  EXPECT_EQ(again.SerializeAsString(), epoch.SerializeAsString());
}

TEST_F(EpochTest, DrivenByScoresItWaitsForAllFeedbackOfTheOneBefore) {
  ASSERT_OK(Acknowledge(0, 0, 30));
  auto opened = t.StartOpenEpoch(run.uid(), 1);
  v1::GetBatchRequest request;
  request.set_run_uid(run.uid());
  request.set_epoch(1);
  request.mutable_positions()->set_batch_size(10);
  BatchCall batch = t.StartGetBatch(request);
  WaitForPlanner();
  EXPECT_FALSE(opened.done());
  EXPECT_EQ(t.engine->Stats().waiting_requests, 2u);
  ASSERT_OK(Acknowledge(0, 31, kSamples));
  WaitForPlanner();
  EXPECT_FALSE(opened.done());
  ASSERT_OK(Acknowledge(0, 30, 31));
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, opened.Wait());
  EXPECT_EQ(epoch.opened(), v1::Epoch::FEEDBACK_COMPLETE);
  EXPECT_EQ(epoch.score_version().records(), 3u);
  ASSERT_OK(batch.status.Wait());
  EXPECT_EQ(batch.reply->indices().size(), 40u);
  EXPECT_EQ(batch.reply->score_version().records(), 3u);
  EXPECT_EQ(t.engine->Stats().waiting_requests, 0u);
}

TEST_F(EpochTest, ADroppedShortBatchIsNotWaitedFor) {
  ASSERT_OK(t.DeleteDataset("d", /*force=*/true));
  Start(/*drop_last=*/true, 16);
  auto opened = t.StartOpenEpoch(run.uid(), 1);
  ASSERT_OK(Acknowledge(0, 0, 47));
  WaitForPlanner();
  EXPECT_FALSE(opened.done());
  ASSERT_OK(Acknowledge(0, 47, 48));
  EXPECT_EQ(opened.Wait()->opened(), v1::Epoch::FEEDBACK_COMPLETE);
}

TEST_F(EpochTest, NowEndsTheWaitOfAll) {
  auto waiting = t.StartOpenEpoch(run.uid(), 1);
  WaitForPlanner();
  EXPECT_FALSE(waiting.done());
  EXPECT_EQ(t.OpenEpoch(run.uid(), 1, /*now=*/true)->opened(), v1::Epoch::EXPLICIT);
  EXPECT_EQ(waiting.Wait()->opened(), v1::Epoch::EXPLICIT);
}

TEST_F(EpochTest, TheTimeoutCountsFromTheFirstWhoWaits) {
  t.clock.Advance(absl::Hours(1));
  auto first = t.StartOpenEpoch(run.uid(), 1);
  WaitForPlanner();
  t.clock.Advance(absl::Seconds(59));
  auto second = t.StartOpenEpoch(run.uid(), 1);
  WaitForPlanner();
  EXPECT_FALSE(first.done());
  t.clock.Advance(absl::Seconds(1));
  EXPECT_EQ(first.Wait()->opened(), v1::Epoch::TIMEOUT);
  EXPECT_EQ(second.Wait()->opened(), v1::Epoch::TIMEOUT);
}

TEST_F(EpochTest, ALaterEpochWaitsForTheOneThatOpensBeforeIt) {
  auto third = t.StartOpenEpoch(run.uid(), 3);
  auto first = t.StartOpenEpoch(run.uid(), 1);
  WaitForPlanner();
  ASSERT_OK(Acknowledge(0, 0, kSamples));
  EXPECT_EQ(first.Wait()->epoch(), 1u);
  WaitForPlanner();
  EXPECT_FALSE(third.done());
  // Its wait began anew when epoch 1 opened.
  t.clock.Advance(absl::Seconds(59));
  WaitForPlanner();
  EXPECT_FALSE(third.done());
  ASSERT_OK(Acknowledge(1, 0, kSamples));
  EXPECT_EQ(third.Wait()->opened(), v1::Epoch::FEEDBACK_COMPLETE);
}

TEST_F(EpochTest, WhatWasSkippedIsGone) {
  auto skipped = t.StartOpenEpoch(run.uid(), 2);
  WaitForPlanner();
  ASSERT_OK(t.OpenEpoch(run.uid(), 5, /*now=*/true));
  const auto gone = skipped.Wait();
  EXPECT_THAT(gone, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("epoch 5 is open")));
  EXPECT_THAT(gone, ReasonIs("EPOCH_GONE"));
  EXPECT_THAT(t.GetPositions(run.uid(), 4, 0, 1), ReasonIs("EPOCH_GONE"));
  EXPECT_OK(t.GetPositions(run.uid(), 0, 0, 1));
}

TEST_F(EpochTest, TheNewestPlansAreKept) {
  for (uint64_t epoch = 0; epoch < 6; ++epoch)
    ASSERT_OK(t.GetPositions(uniform.uid(), epoch, 0, 1));
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    EXPECT_THAT(t.GetPositions(uniform.uid(), epoch, 0, 1), ReasonIs("EPOCH_GONE"));
    EXPECT_THAT(t.OpenEpoch(uniform.uid(), epoch), ReasonIs("EPOCH_GONE"));
  }
  for (uint64_t epoch = 3; epoch < 6; ++epoch)
    EXPECT_OK(t.GetPositions(uniform.uid(), epoch, 0, 1));
  ASSERT_OK_AND_ASSIGN(const v1::Run described, t.GetRun("u"));
  ASSERT_EQ(described.epochs_size(), 3);
  EXPECT_EQ(described.epochs(0).epoch(), 3u);
}

TEST_F(EpochTest, BadRequestsAreRefused) {
  EXPECT_THAT(t.OpenEpoch(run.uid(), uint64_t{1} << 32),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(t.OpenEpoch(run.uid() + 99, 0), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(EpochTest, NothingToDrawIsAnError) {
  v1::SamplerSpec spec;  // of what is scored, and nothing is
  v1::Predicate* scored = spec.mutable_eligible()->add_all();
  scored->set_score("loss");
  scored->mutable_range()->set_minimum(0);
  scored->set_missing(v1::Predicate::DROP);
  ASSERT_OK(t.CreateSampler("d/scored", spec));
  ASSERT_OK_AND_ASSIGN(const v1::Run none, t.CreateRun("none", "d/scored", 10));
  const auto opened = t.OpenEpoch(none.uid(), 0);
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(opened, ReasonIs("NOTHING_TO_DRAW"));
  EXPECT_EQ(t.GetRun("none")->epochs_size(), 0);
}

TEST_F(EpochTest, AColumnOfAnotherTypeIsTheDatasetsFaultNotTheCallers) {
  const auto set_label = [this](v1::ColumnType type, const std::string& values) {
    ASSERT_OK(t.Import("d", kSamples, {{ColumnOf("label", type), values}}));
  };
  set_label(v1::COLUMN_TYPE_UINT8, std::string(kSamples, '\1'));
  v1::SamplerSpec spec;
  spec.mutable_eligible()->add_all()->set_column("label");
  spec.mutable_eligible()->mutable_all(0)->mutable_in()->add_values(1);
  ASSERT_OK(t.CreateSampler("d/labelled", spec));
  ASSERT_OK_AND_ASSIGN(const v1::Run labelled, t.CreateRun("labelled", "d/labelled", 10));
  set_label(v1::COLUMN_TYPE_FLOAT32, Encode(std::vector<float>(kSamples, 1)));
  const auto opened = t.OpenEpoch(labelled.uid(), 0);
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(opened, ReasonIs("COLUMN_UNFIT"));
  EXPECT_THAT(opened, FieldIs("eligible.all[0].column"));
  set_label(v1::COLUMN_TYPE_UINT8, std::string(kSamples, '\1'));
  EXPECT_OK(t.OpenEpoch(labelled.uid(), 0));
}

TEST_F(EpochTest, ACallerWhoGoesAwayIsForgotten) {
  std::atomic<bool> gone{false};
  auto waiting = t.StartOpenEpoch(run.uid(), 1, false, [&gone] { return gone.load(); });
  WaitForPlanner();
  EXPECT_FALSE(waiting.done());
  gone = true;
  EXPECT_THAT(waiting.Wait(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(t.engine->Stats().waiting_requests, 0u);
}

TEST_F(EpochTest, ADrainEndsTheWaitsAndGoesOnServing) {
  auto waiting = t.StartOpenEpoch(run.uid(), 1);
  t.engine->StopWaiting();
  EXPECT_THAT(waiting.Wait(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(t.OpenEpoch(run.uid(), 1, /*now=*/true), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_OK(t.GetPositions(run.uid(), 0, 0, 10));
  EXPECT_OK(Acknowledge(0, 0, 10));
}

TEST_F(EpochTest, DeletingTheRunEndsTheWaits) {
  auto waiting = t.StartOpenEpoch(run.uid(), 1);
  WaitForPlanner();
  ASSERT_OK(t.DeleteRun("r"));
  EXPECT_THAT(waiting.Wait(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(EpochTest, EveryCallIsAnsweredBeforeTheEngineIsGone) {
  auto waiting = t.StartOpenEpoch(run.uid(), 1);
  t.engine.reset();
  ASSERT_TRUE(waiting.done());
  EXPECT_THAT(waiting.Wait(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(EpochTest, ASamplersUpdateTakesEffectAtTheNextEpoch) {
  ASSERT_OK_AND_ASSIGN(const v1::Batch before, t.GetPositions(run.uid(), 0, 0, 50));
  ASSERT_OK(t.UpdateSampler("d/s", "uniform", {{"fraction", 0.5}}));
  ASSERT_OK_AND_ASSIGN(const v1::Batch after, t.GetPositions(run.uid(), 0, 0, 50));
  EXPECT_EQ(before.SerializeAsString(), after.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const v1::Epoch next, t.OpenEpoch(run.uid(), 1));
  EXPECT_EQ(next.sampler_version(), 2u);
  EXPECT_EQ(next.num_positions(), kSamples / 2);
}

// A column may be replaced while epochs are open: they keep the one they were opened with, through
// restarts and folds, until they go; then its images go too.
TEST_F(EpochTest, OpenEpochsKeepTheirColumns) {
  ASSERT_OK(t.CreateSampler("d/b", "class_balanced"));
  ASSERT_OK_AND_ASSIGN(const v1::Run balanced, t.CreateRun("b", "d/b", 10));
  const std::vector<uint32_t> first = t.EpochIndices(balanced.uid(), 0);
  ASSERT_OK(t.ImportLabels("d", kSamples, 3));
  const std::vector<uint32_t> second = t.EpochIndices(balanced.uid(), 1);
  ASSERT_OK(t.ImportLabels("d", kSamples, 2));
  const auto imports = [this] {
    int images = 0;
    for (const auto& [name, bytes] : t.disk.images()) images += name.substr(0, 7) == "import/";
    return images;
  };
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    EXPECT_EQ(t.EpochIndices(balanced.uid(), 0), first);
    EXPECT_EQ(t.EpochIndices(balanced.uid(), 1), second);
    EXPECT_EQ(imports(), 3);
    if (round == 1) {
      ASSERT_OK(t.engine->FoldNow());
    }
    t.CrashAndReopen();
  }
  EXPECT_EQ(t.GetRun("b")->epochs(1).columns_version(), 2u);
  ASSERT_OK(t.OpenEpoch(balanced.uid(), 2));
  ASSERT_OK(t.OpenEpoch(balanced.uid(), 3));  // epoch 0 goes
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_EQ(imports(), 2);
  ASSERT_OK(t.DeleteRun("b"));
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_EQ(imports(), 1);
}

// A plan that cannot be stored is not opened.
TEST_F(EpochTest, AFailedWriteLeavesTheEpochToBeOpened) {
  ASSERT_OK(Acknowledge(0, 0, kSamples));
  for (int nth = 1; nth <= 2; ++nth) {  // the plan's image, then the record
    SCOPED_TRACE(nth);
    t.disk.FailWrites(nth, absl::UnavailableError("I/O error"));
    EXPECT_THAT(t.OpenEpoch(run.uid(), 1), StatusIs(absl::StatusCode::kUnavailable));
    t.disk.Repair();
    EXPECT_EQ(t.GetRun("r")->epochs_size(), 1);
  }
  EXPECT_OK(t.OpenEpoch(run.uid(), 1));
}

TEST_F(EpochTest, AStoredPlanThatIsMissingIsDataLoss) {
  ASSERT_OK(Acknowledge(0, 0, kSamples));
  ASSERT_OK(t.OpenEpoch(run.uid(), 1));
  t.engine.reset();
  for (const auto& [name, bytes] : t.disk.images()) {
    if (name.substr(0, 5) == "plan/") t.disk.RemoveImage(name);
  }
  EXPECT_THAT(Engine::Open(t.options, t.disk.Open()).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("epoch 1 of run \"r\"")));
}

TEST_F(EpochTest, APlanThatDoesNotFitMemoryIsRefused) {
  ASSERT_OK(Acknowledge(0, 0, kSamples));
  t.options.max_memory_bytes = 600;  // 60 + 240 + 138 are in use
  t.Reopen();
  ASSERT_OK(t.OpenEpoch(run.uid(), 1));
  ASSERT_OK(Acknowledge(1, 0, kSamples));
  const auto opened = t.OpenEpoch(run.uid(), 2);
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("of 600")));
  EXPECT_THAT(opened, ReasonIs("MEMORY_LIMIT"));
}

}  // namespace
}  // namespace subset
