// Checkpoints of the trainer: what a rollback returns, refuses and keeps.

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

class CommitTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 40));
    ASSERT_OK(t.CreateSampler("d/i", "importance"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/i", 10));
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
  }
  // Leases and acknowledges the next block, with a loss for each sample.
  v1::Batch Train(uint64_t epoch, float loss) {
    const auto batch = t.Acquire(run.uid(), epoch, "w");
    EXPECT_OK(batch);
    if (!batch.ok()) return {};
    EXPECT_OK(t.Report(ReportOf(*batch, loss)));
    return *batch;
  }
  v1::ReportFeedbackRequest ReportOf(const v1::Batch& batch, float loss) {
    const std::vector<uint32_t> indices = Decode<uint32_t>(batch.indices());
    v1::ReportFeedbackRequest report =
        Losses(run.uid(), session, ++sequence, batch.epoch(), batch.position(), indices,
               std::vector<float>(indices.size(), loss));
    *report.mutable_feedback(0)->mutable_lease() = batch.lease();
    report.mutable_feedback(0)->set_worker("w");
    return report;
  }
  uint64_t Acknowledged(uint64_t epoch) {
    const auto described = t.GetRun("r");
    for (const v1::Epoch& each : described->epochs()) {
      if (each.epoch() == epoch) return each.acknowledged_positions();
    }
    return 0;
  }

  TestEngine t;
  v1::Run run;
  uint64_t session = 0;
  uint64_t sequence = 0;
};

TEST_F(CommitTest, ARollbackReturnsWhatWasAcknowledgedAfterIt) {
  Train(0, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Checkpoint committed, t.Commit(run.uid(), "step-1"));
  EXPECT_EQ(committed.acknowledged_positions(), 10u);
  EXPECT_EQ(committed.score_version().records(), 1u);
  const v1::Batch second = Train(0, 2), third = Train(0, 3);
  ASSERT_OK_AND_ASSIGN(const v1::Batch held, t.Acquire(run.uid(), 0, "w"));
  const uint64_t scored = t.GetRun("r")->scored_samples();
  ASSERT_OK_AND_ASSIGN(const auto rolled_back, t.Rollback(run.uid(), "step-1"));
  EXPECT_EQ(rolled_back.returned_positions(), 20u);
  EXPECT_EQ(rolled_back.generation(), 1u);
  EXPECT_EQ(Acknowledged(0), 10u);
  EXPECT_EQ(t.GetRun("r")->generation(), 1u);
  EXPECT_EQ(t.GetRun("r")->scored_samples(), scored) << "scores stay";

  EXPECT_THAT(t.Report(ReportOf(held, 9)), ReasonIs("GENERATION_PASSED"));
  EXPECT_THAT(t.Acknowledge(Acknowledgement(run.uid(), third, "w")), ReasonIs("GENERATION_PASSED"));
  const v1::Batch again = Train(0, 2);
  EXPECT_EQ(again.position(), second.position());
  EXPECT_EQ(again.indices(), second.indices()) << "the same batch of the same plan";
  EXPECT_EQ(again.attempt(), 2u);
  EXPECT_EQ(again.generation(), 1u);
  EXPECT_EQ(again.lease().generation(), 1u);
}

TEST_F(CommitTest, AnAssignedClientMayNameTheGenerationOrNot) {
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  ASSERT_OK(t.Commit(run.uid(), "start"));
  ASSERT_OK_AND_ASSIGN(const v1::Batch old, t.GetStep(run.uid(), 0, 0));
  ASSERT_OK(t.Rollback(run.uid(), "start"));
  v1::ReportFeedbackRequest report = Losses(
      run.uid(), session, 1, 0, 0, Decode<uint32_t>(old.indices()), std::vector<float>(10, 1.0f));
  report.mutable_feedback(0)->set_generation(old.generation());
  EXPECT_THAT(t.Report(report), ReasonIs("GENERATION_PASSED"));
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 0u);
  report.mutable_feedback(0)->clear_generation();
  EXPECT_OK(t.Report(report));
  EXPECT_EQ(t.GetStep(run.uid(), 0, 0)->generation(), 1u);
}

TEST_F(CommitTest, EpochsOpenedAfterTheCommitAreServedAgainAsTheyWere) {
  for (int i = 0; i < 3; ++i) Train(0, 1);
  ASSERT_OK(t.Commit(run.uid(), "c"));
  Train(0, 1);
  std::vector<std::string> epochs;
  for (uint64_t epoch = 1; epoch <= 6; ++epoch) {
    std::string indices;
    for (int i = 0; i < 4; ++i) indices += Train(epoch, 1.0f * epoch).indices();
    epochs.push_back(indices);
  }
  EXPECT_EQ(t.GetRun("r")->epochs_size(), 7) << "kept since the commit, beyond keep_plans = 3";
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  ASSERT_OK_AND_ASSIGN(const auto rolled_back, t.Rollback(run.uid(), "c"));
  EXPECT_EQ(rolled_back.returned_positions(), 10u + 6 * 40);
  Train(0, 5);
  for (uint64_t epoch = 1; epoch <= 6; ++epoch) {
    std::string indices;
    for (int i = 0; i < 4; ++i) indices += Train(epoch, 5).indices();
    EXPECT_EQ(indices, epochs[epoch - 1]) << epoch;
  }
  ASSERT_OK(t.Commit(run.uid(), "d"));
  for (int i = 0; i < 4; ++i) Train(7, 1);
  EXPECT_EQ(t.GetRun("r")->epochs_size(), 3) << "what no commit needs goes";
}

TEST_F(CommitTest, ACommitIsForgottenWithTheEpochsItNeeds) {
  Train(0, 1);
  ASSERT_OK(t.Commit(run.uid(), "early"));
  for (int i = 0; i < 3; ++i) Train(0, 1);
  // 3 of keep_plans, 16 for the commit; one more and it cannot be kept.
  for (uint64_t epoch = 1; epoch < 19; ++epoch) ASSERT_OK(t.OpenEpoch(run.uid(), epoch, true));
  EXPECT_EQ(t.GetRun("r")->checkpoints_size(), 1);
  ASSERT_OK(t.OpenEpoch(run.uid(), 19, true));
  EXPECT_EQ(t.GetRun("r")->checkpoints_size(), 0);
  EXPECT_EQ(t.GetRun("r")->epochs_size(), 3);
  EXPECT_THAT(t.Rollback(run.uid(), "early"), StatusIs(kPrecondition));
  EXPECT_THAT(t.Rollback(run.uid(), "early"), ReasonIs("CHECKPOINT_GONE"));
}

TEST_F(CommitTest, AKnownIdNamesTheNewerStateAndSixteenAreKnown) {
  ASSERT_OK(t.Commit(run.uid(), "last"));
  Train(0, 1);
  ASSERT_OK(t.Commit(run.uid(), "last"));
  Train(0, 1);
  EXPECT_EQ(t.Rollback(run.uid(), "last")->returned_positions(), 10u);
  for (int i = 0; i < 16; ++i) ASSERT_OK(t.Commit(run.uid(), absl::StrCat("c", i)));
  EXPECT_EQ(t.GetRun("r")->checkpoints_size(), 16);
  EXPECT_THAT(t.Rollback(run.uid(), "last"), ReasonIs("CHECKPOINT_GONE"));
  ASSERT_OK(t.Rollback(run.uid(), "c3"));
  EXPECT_EQ(t.GetRun("r")->checkpoints_size(), 4) << "those after it are forgotten";
}

TEST_F(CommitTest, ARollbackWithItsGenerationIsSafeToRepeat) {
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  ASSERT_OK(t.Commit(run.uid(), "c"));
  Train(0, 1);
  EXPECT_FALSE(t.Rollback(run.uid(), "c", false, 0)->duplicate());
  Train(0, 1);
  t.CrashAndReopen();
  ASSERT_OK_AND_ASSIGN(const auto repeat, t.Rollback(run.uid(), "c", false, 0));
  EXPECT_TRUE(repeat.duplicate());
  EXPECT_EQ(repeat.generation(), 1u);
  EXPECT_EQ(Acknowledged(0), 10u) << "nothing changed";
  EXPECT_THAT(t.Rollback(run.uid(), "c", false, 5), ReasonIs("GENERATION_PASSED"));
  EXPECT_THAT(t.Rollback(run.uid(), "c", false, 5), FieldIs("generation"));
}

TEST_F(CommitTest, RefusesWhatCannotBe) {
  EXPECT_THAT(t.Commit(run.uid(), ""), FieldIs("checkpoint_id"));
  EXPECT_THAT(t.Commit(run.uid(), std::string(257, 'x')), FieldIs("checkpoint_id"));
  EXPECT_THAT(t.Commit(run.uid() + 9, "c"), ReasonIs("NOT_FOUND"));
  EXPECT_THAT(t.Rollback(run.uid() + 9, "c"), ReasonIs("NOT_FOUND"));
  EXPECT_THAT(t.Rollback(run.uid(), "c"), ReasonIs("CHECKPOINT_GONE"));
}

}  // namespace
}  // namespace subset
