// Draws whose scores are frozen anew every n global batches.

#include <map>
#include <random>
#include <thread>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kBatch = 10;
constexpr uint32_t kEvery = 4;
constexpr uint64_t kSteps = 18;  // the last snapshot is of two

class EveryNTest : public ::testing::Test {
 protected:
  void SetUp() override {
    t.options.keep_live_batches = 1;
    t.Reopen();
    ASSERT_OK(t.ImportLabels("d", kSteps * kBatch));
    ASSERT_OK(t.CreateSampler("d/every", Spec(v1::SNAPSHOT_EVERY_N, kEvery)));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/every", kBatch));
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
  }
  static v1::SamplerSpec Spec(v1::Snapshot snapshot, uint32_t every) {
    v1::SamplerSpec spec;
    spec.mutable_preference()->mutable_score_power()->set_alpha(1);
    spec.mutable_guard()->set_uniform_floor(0);
    spec.set_snapshot(snapshot);
    spec.set_snapshot_every(every);
    return spec;
  }
  absl::Status Report(const std::vector<uint32_t>& indices, const std::vector<float>& losses) {
    return t.Report(Losses(run.uid(), session, ++sequence, 0, std::nullopt, indices, losses))
        .status();
  }
  // Only this sample is drawn from now on.
  absl::Status Prefer(uint32_t favourite) {
    std::vector<uint32_t> all(run.num_samples());
    std::vector<float> losses(all.size(), 0.0f);
    for (uint32_t i = 0; i < all.size(); ++i) all[i] = i;
    losses[favourite] = 1;
    return Report(all, losses);
  }
  std::vector<uint32_t> Step(uint64_t step, uint64_t epoch = 0) {
    const auto batch = t.GetStep(run.uid(), epoch, step);
    EXPECT_OK(batch);
    return batch.ok() ? Decode<uint32_t>(batch->indices()) : std::vector<uint32_t>();
  }
  absl::StatusOr<v1::Batch> Replay(uint64_t step, uint64_t epoch = 0) {
    v1::GetBatchRequest request;
    request.set_run_uid(run.uid());
    request.set_epoch(epoch);
    request.mutable_assigned()->set_step(step);
    request.mutable_assigned()->set_world_size(1);
    request.set_replay(true);
    return t.GetBatch(request);
  }
  static std::vector<uint32_t> Only(uint32_t sample) {
    return std::vector<uint32_t>(kBatch, sample);
  }

  TestEngine t;
  v1::Run run;
  uint64_t session = 0;
  uint64_t sequence = 0;
};

TEST_F(EveryNTest, ScoresStandStillForNBatches) {
  ASSERT_OK(Prefer(42));
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run.uid(), 0));
  EXPECT_EQ(epoch.opened(), v1::Epoch::NOT_SCORE_DRIVEN) << "it waits for no feedback";
  EXPECT_EQ(epoch.num_steps(), kSteps);
  for (uint64_t step = 0; step < kSteps; ++step) {
    SCOPED_TRACE(step);
    const uint64_t frozen = step / kEvery * kEvery;
    ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), 0, step));
    EXPECT_EQ(Decode<uint32_t>(batch.indices()), Only(42 + frozen));
    EXPECT_EQ(Decode<double>(batch.probabilities()), std::vector<double>(kBatch, 1));
    EXPECT_EQ(batch.score_version().records(), 1 + frozen);
    ASSERT_OK(Prefer(42 + step + 1));
  }
}

// The oracle: a live run that hears of feedback only before each n-th batch.
TEST_F(EveryNTest, DrawsAsALiveRunThatHearsOfFeedbackEveryNBatches) {
  const uint32_t seed = 20251125;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  TestEngine oracle;
  ASSERT_OK(oracle.ImportLabels("d", kSteps * kBatch));
  ASSERT_OK(oracle.CreateSampler("d/live", Spec(v1::SNAPSHOT_LIVE, 0)));
  ASSERT_OK_AND_ASSIGN(const v1::Run live, oracle.CreateRun("r", "d/live", kBatch));
  ASSERT_OK_AND_ASSIGN(const uint64_t live_session, oracle.OpenSession(live.uid()));
  uint64_t live_sequence = 0;
  std::vector<uint32_t> indices;
  std::vector<float> losses;
  for (uint64_t epoch = 0; epoch < 6; ++epoch) {
    // Both indices fix their scale when the epoch opens: from the same scores.
    ASSERT_OK(t.OpenEpoch(run.uid(), epoch));
    if (epoch > 0) {
      ASSERT_OK(oracle.Report(
          Losses(live.uid(), live_session, ++live_sequence, 0, std::nullopt, indices, losses)));
      indices.clear();
      losses.clear();
    }
    ASSERT_OK(oracle.OpenEpoch(live.uid(), epoch));
    for (uint64_t step = 0; step < kSteps; ++step) {
      SCOPED_TRACE(absl::StrCat("epoch ", epoch, " step ", step));
      if (step % kEvery == 0 && !indices.empty()) {
        ASSERT_OK(oracle.Report(
            Losses(live.uid(), live_session, ++live_sequence, 0, std::nullopt, indices, losses)));
        indices.clear();
        losses.clear();
      }
      ASSERT_OK_AND_ASSIGN(const v1::Batch expected, oracle.GetStep(live.uid(), epoch, step));
      ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), epoch, step));
      ASSERT_EQ(batch.indices(), expected.indices());
      ASSERT_EQ(batch.probabilities(), expected.probabilities());
      ASSERT_EQ(batch.weights(), expected.weights());
      for (int message = 0; message < 2; ++message) {
        std::vector<uint32_t> some(5);
        std::vector<float> values(5);
        for (size_t i = 0; i < some.size(); ++i) {
          some[i] = static_cast<uint32_t>(random() % run.num_samples());
          values[i] = static_cast<float>(random() % 1000) / 100;
        }
        ASSERT_OK(Report(some, values));
        indices.insert(indices.end(), some.begin(), some.end());
        losses.insert(losses.end(), values.begin(), values.end());
      }
    }
  }
}

TEST_F(EveryNTest, AKillInsideASnapshotChangesNothing) {
  ASSERT_OK(Prefer(42));
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  const std::vector<uint32_t> first = Step(0);
  ASSERT_OK(Prefer(7));
  for (uint64_t step = 0; step < kEvery; ++step) {
    if (step == 2) {
      ASSERT_OK(t.engine->FoldNow());
    }
    t.CrashAndReopen(/*survivors=*/1000);  // a kill: what was applied survives
    EXPECT_EQ(Step(step), Only(42));
  }
  EXPECT_EQ(Step(kEvery), Only(7));
}

// Draws do not wait for the disk; what comes after them and is on disk brings them there too.
TEST_F(EveryNTest, LostDrawsAreDrawnAnewAndThoseBeforeADurableReportAreNotLost) {
  for (uint64_t survivors = 0; survivors <= kEvery; ++survivors) {
    SCOPED_TRACE(survivors);
    const uint64_t epoch = survivors;
    ASSERT_OK(Prefer(42));
    ASSERT_OK(t.OpenEpoch(run.uid(), epoch));
    EXPECT_EQ(Step(0, epoch), Only(42));
    t.CrashAndReopen(survivors);  // how many draws a surviving write holds is the writer's choice
    uint64_t left = 0;
    while (left < kEvery && Replay(left, epoch).ok()) ++left;
    ASSERT_OK(Prefer(7));
    for (uint64_t step = 0; step < kEvery; ++step) {
      EXPECT_EQ(Step(step, epoch), Only(step < left ? 42 : 7)) << left << " were left";
    }
    ASSERT_OK(Prefer(9));
    t.CrashAndReopen();
    for (uint64_t step = 0; step < kEvery; ++step) {
      EXPECT_EQ(Step(step, epoch), Only(step < left ? 42 : 7)) << left << " were left";
    }
    EXPECT_EQ(Step(kEvery, epoch), Only(9)) << "the snapshot ends where it would have";
  }
}

TEST_F(EveryNTest, TheNewestSnapshotAndTheOneBeforeAreKept) {
  for (uint64_t step = 0; step < 3 * kEvery; ++step) Step(step);
  EXPECT_THAT(t.GetStep(run.uid(), 0, kEvery - 1), ReasonIs("DRAW_GONE"));
  EXPECT_OK(t.GetStep(run.uid(), 0, kEvery));
  EXPECT_THAT(t.GetStep(run.uid(), 0, kSteps), ReasonIs("EPOCH_END"));
}

TEST_F(EveryNTest, StepsMayNotBeSkippedByMoreThanAreKept) {
  EXPECT_THAT(t.GetStep(run.uid(), 0, 2 * kEvery), ReasonIs("DRAW_GONE"));
  ASSERT_OK(Prefer(42));
  EXPECT_EQ(Step(2 * kEvery - 1), Only(42));
  ASSERT_OK(Prefer(7));
  EXPECT_EQ(Step(0), Only(42)) << "drawn on the way";
  EXPECT_EQ(Step(2 * kEvery), Only(7));
}

TEST_F(EveryNTest, PositionsAcrossTwoSnapshotsAreThoseOfTheirSteps) {
  ASSERT_OK(Prefer(42));
  Step(0);
  ASSERT_OK(Prefer(7));
  ASSERT_OK_AND_ASSIGN(const v1::Batch across,
                       t.GetPositions(run.uid(), 0, kEvery * kBatch - 3, 5));
  EXPECT_EQ(Decode<uint32_t>(across.indices()), (std::vector<uint32_t>{42, 42, 42, 7, 7}));
}

TEST_F(EveryNTest, ManyRanksAtOnceGetTheSameDraws) {
  std::vector<std::thread> ranks;
  std::vector<std::map<uint64_t, std::string>> got(4);
  for (auto& batches : got) {
    ranks.emplace_back([this, &batches] {
      for (uint64_t step = 0; step < 2 * kEvery; ++step) {
        const auto batch = t.GetStep(run.uid(), 0, step);
        ASSERT_OK(batch);
        batches[step] = batch->SerializeAsString();
      }
    });
  }
  for (std::thread& rank : ranks) rank.join();
  for (const auto& batches : got) EXPECT_EQ(batches, got[0]);
}

TEST_F(EveryNTest, AReplayFreezesNothing) {
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  EXPECT_THAT(Replay(0), StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("was not drawn: there is nothing to replay")));
  EXPECT_THAT(Replay(0), ReasonIs("DRAW_GONE"));
  EXPECT_THAT(Replay(3).status().message(), HasSubstr("step 3 "));
  ASSERT_OK(Prefer(42));
  EXPECT_EQ(Step(0), Only(42));
  ASSERT_OK(Prefer(7));
  ASSERT_OK_AND_ASSIGN(const v1::Batch replay, Replay(kEvery - 1));
  EXPECT_EQ(Decode<uint32_t>(replay.indices()), Only(42));
  EXPECT_EQ(replay.score_version().records(), 1u);
  EXPECT_THAT(Replay(kEvery), ReasonIs("DRAW_GONE"));
}

TEST_F(EveryNTest, RevertedScoresCountFromTheNextSnapshotOn) {
  ASSERT_OK(Prefer(42));
  ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  ASSERT_OK(t.Commit(run.uid(), "c", /*keep_scores=*/true));
  ASSERT_OK(Prefer(7));
  EXPECT_EQ(Step(0), Only(7));
  ASSERT_OK(t.Rollback(run.uid(), "c", /*revert_scores=*/true));
  EXPECT_EQ(Step(kEvery - 1), Only(7)) << "the same batches again";
  EXPECT_EQ(Step(kEvery), Only(42));
}

TEST_F(EveryNTest, ASnapshotOfTooManySamplesIsRefused) {
  ASSERT_OK(t.CreateSampler("d/long", Spec(v1::SNAPSHOT_EVERY_N, 1024)));
  ASSERT_OK_AND_ASSIGN(const v1::Run wide, t.CreateRun("wide", "d/long", 1025));
  const auto refused = t.OpenEpoch(wide.uid(), 0);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("1024 of sampler \"d/long\" with global_batch_size 1025 "
                                          "draws 1049600 samples at once; at most 1048576")));
  EXPECT_THAT(refused, ReasonIs("SNAPSHOT_TOO_LONG"));
  EXPECT_THAT(refused, FieldIs("spec.snapshot_every"));
  ASSERT_OK_AND_ASSIGN(const v1::Run fits, t.CreateRun("fits", "d/long", 1024));
  EXPECT_OK(t.GetStep(fits.uid(), 0, 0));
}

}  // namespace
}  // namespace subset
