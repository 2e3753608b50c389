// Scores that start as a copy, and scores that a rollback reverts.

#include <algorithm>
#include <numeric>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 200000;  // several chunks

class CopiedScoresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", kSamples));
    ASSERT_OK(t.CreateSampler("d/i", "importance"));
    ASSERT_OK_AND_ASSIGN(run, t.CreateRun("r", "d/i", 1000));
  }
  // Losses for every 100th sample from `first` on.
  void Score(Uid of, uint32_t first, float loss) {
    ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(of));
    std::vector<uint32_t> indices;
    std::vector<float> losses;
    for (uint32_t i = first; i < kSamples; i += 100) {
      indices.push_back(i);
      losses.push_back(loss + 1e-5f * i);
    }
    ASSERT_OK(t.Report(Losses(of, session, 1, 0, std::nullopt, indices, losses)));
  }
  absl::StatusOr<v1::Run> Copy(const std::string& name, const std::string& from,
                               const std::string& sampler = "d/i") {
    v1::CreateRunRequest request;
    request.set_name(name);
    request.set_sampler(sampler);
    request.set_global_batch_size(1000);
    request.set_seed(7);
    request.set_copy_scores_from(from);
    Pending<absl::StatusOr<v1::Run>> created;
    t.engine->CreateRun(request, created.Callback());
    return created.Wait();
  }
  // What the scores of a run draw: the same for the same scores, seed and epoch.
  std::string Drawn(Uid of, uint64_t epoch) {
    EXPECT_OK(t.OpenEpoch(of, epoch, /*now=*/true));
    const auto batch = t.GetPositions(of, epoch, 0, 5000);
    EXPECT_OK(batch);
    return batch.ok() ? batch->indices() + batch->probabilities() : "";
  }
  size_t ScoreImages() {
    size_t images = 0;
    for (const auto& [name, bytes] : t.disk.images()) images += name.rfind("run/", 0) == 0 ? 1 : 0;
    return images;
  }

  TestEngine t;
  v1::Run run;
};

TEST_F(CopiedScoresTest, ARunStartsWithTheScoresOfAnother) {
  Score(run.uid(), 0, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Run copy, Copy("copy", "r"));
  EXPECT_EQ(copy.scored_samples(), 2000u);
  EXPECT_EQ(Drawn(copy.uid(), 0), Drawn(run.uid(), 0));
  Score(run.uid(), 1, 50);
  EXPECT_EQ(t.GetRun("copy")->scored_samples(), 2000u);
  EXPECT_NE(Drawn(copy.uid(), 1), Drawn(run.uid(), 1));
}

TEST_F(CopiedScoresTest, CopiedScoresAreOlderThanWhatTheRunReports) {
  constexpr uint32_t kFew = 40;
  ASSERT_OK(t.ImportLabels("few", kFew));
  v1::SamplerSpec spec;
  spec.mutable_preference()->mutable_score_power()->set_alpha(1);
  spec.mutable_guard()->set_refresh(0.5);
  spec.mutable_guard()->set_stale_fraction(0.25);
  ASSERT_OK(t.CreateSampler("few/refresh", spec));
  const auto report = [this](Uid of, uint32_t samples, uint64_t step) {
    std::vector<uint32_t> indices(samples);
    std::iota(indices.begin(), indices.end(), 0);
    const std::vector<float> losses(samples, 1.0f);
    ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(of));
    auto request = Losses(of, session, 1, 0, std::nullopt, indices, losses);
    request.mutable_feedback(0)->set_step(step);
    ASSERT_OK(t.Report(request));
  };
  ASSERT_OK_AND_ASSIGN(const v1::Run source, t.CreateRun("source", "few/refresh", 8));
  ASSERT_OK(t.OpenEpoch(source.uid(), 0));
  report(source.uid(), kFew, 1000);
  ASSERT_OK_AND_ASSIGN(const v1::Run copy, Copy("copy", "source", "few/refresh"));
  ASSERT_OK(t.OpenEpoch(copy.uid(), 0));
  report(copy.uid(), 30, 1);
  for (const bool again : {false, true}) {
    if (again) t.CrashAndReopen();
    for (uint32_t i = 0; i < kFew; ++i) {
      v1::ExplainSampleRequest request;
      request.mutable_planned()->set_sampler("few/refresh");
      request.mutable_planned()->set_run("copy");
      request.set_index(i);
      Pending<absl::StatusOr<v1::ExplainSampleResponse>> explained;
      t.engine->ExplainSample(request, explained.Callback());
      const auto response = explained.Wait();
      ASSERT_OK(response);
      EXPECT_NEAR(response->expected_draws(), i < 30 ? 0.5 : 0.5 + 0.5 * kFew / 10, 1e-3) << i;
    }
  }
}

TEST_F(CopiedScoresTest, ACopyOutlivesItsSourceAndEveryCrash) {
  Score(run.uid(), 0, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Run reference, Copy("reference", "r"));
  const std::string expected = Drawn(reference.uid(), 0);
  ASSERT_OK(t.engine->FoldNow());
  Score(run.uid(), 0, 2);
  ASSERT_OK_AND_ASSIGN(const v1::Run second, Copy("second", "reference"));
  Score(reference.uid(), 3, 70);
  ASSERT_OK(t.DeleteRun("reference"));
  t.CrashAndReopen();  // the source's images are needed to copy again
  EXPECT_EQ(t.GetRun("second")->scored_samples(), 2000u);
  // A round may fail at any of its writes.
  for (int nth = 1; nth <= 6; ++nth) {
    Score(run.uid(), 4, 1.0f * nth);
    t.disk.FailWrites(nth, absl::UnavailableError("I/O error"));
    (void)t.engine->FoldNow();
    t.disk.Repair();
    t.CrashAndReopen();
  }
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  EXPECT_EQ(Drawn(second.uid(), 0), expected);
}

TEST_F(CopiedScoresTest, WhatCannotBeCopiedIsRefused) {
  EXPECT_THAT(Copy("copy", "nobody"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Copy("copy", "nobody"), FieldIs("copy_scores_from"));
  ASSERT_OK(t.ImportLabels("other", 100));
  ASSERT_OK(t.CreateSampler("other/i", "importance"));
  EXPECT_THAT(Copy("copy", "r", "other/i"), FieldIs("copy_scores_from"));
  EXPECT_THAT(t.GetRun("copy"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CopiedScoresTest, ARollbackRevertsTheScoresWhereAsked) {
  Score(run.uid(), 0, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Run reference, Copy("reference", "r"));
  ASSERT_OK_AND_ASSIGN(const v1::Checkpoint committed, t.Commit(run.uid(), "c", true));
  EXPECT_TRUE(committed.scores_kept());
  Score(run.uid(), 0, 90);
  Score(run.uid(), 1, 80);
  const uint64_t records = t.GetRun("r")->score_version().records();
  ASSERT_OK(t.Rollback(run.uid(), "c", /*revert_scores=*/true));
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 2000u);
  EXPECT_GT(t.GetRun("r")->score_version().records(), records) << "a version never goes back";
  EXPECT_EQ(Drawn(run.uid(), 0), Drawn(reference.uid(), 0));
}

TEST_F(CopiedScoresTest, RevertedScoresSurviveEveryCrash) {
  Score(run.uid(), 0, 1);
  ASSERT_OK_AND_ASSIGN(const v1::Run reference, Copy("reference", "r"));
  ASSERT_OK(t.Commit(run.uid(), "c", true));
  Score(run.uid(), 1, 80);
  for (int nth = 1; nth <= 8; ++nth) {
    SCOPED_TRACE(nth);
    t.disk.FailWrites(nth, absl::UnavailableError("I/O error"));
    (void)t.engine->FoldNow();
    t.disk.Repair();
    t.CrashAndReopen();
    Score(run.uid(), 2, 1.0f * nth);
    ASSERT_OK(t.Rollback(run.uid(), "c", /*revert_scores=*/true));
    t.CrashAndReopen();
    ASSERT_EQ(t.GetRun("r")->scored_samples(), 2000u);
  }
  // Dropped with the log's records that need it still there.
  ASSERT_OK(t.Commit(run.uid(), "c"));
  Score(run.uid(), 5, 3);
  t.CrashAndReopen();
  EXPECT_EQ(t.GetRun("r")->scored_samples(), 4000u);
  ASSERT_OK(t.Rollback(run.uid(), "c"));
  EXPECT_THAT(t.Rollback(run.uid(), "c", true), ReasonIs("SCORES_GONE"));
  EXPECT_EQ(Drawn(reference.uid(), 0).size(), 5000 * 12u);
}

TEST_F(CopiedScoresTest, OneCopyOfTheScoresIsKeptAndItsImagesGoWithIt) {
  Score(run.uid(), 0, 1);
  ASSERT_OK(t.engine->FoldNow());
  const size_t alone = ScoreImages();
  ASSERT_OK(t.Commit(run.uid(), "a", true));
  ASSERT_OK(t.Commit(run.uid(), "b", true));
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_EQ(ScoreImages(), 2 * alone);
  EXPECT_THAT(t.Rollback(run.uid(), "a", true), ReasonIs("SCORES_GONE"));
  EXPECT_THAT(t.Rollback(run.uid(), "a", true), FieldIs("revert_scores"));
  t.CrashAndReopen();
  ASSERT_OK(t.Rollback(run.uid(), "b", true));
  ASSERT_OK(t.Commit(run.uid(), "b"));
  ASSERT_OK(t.engine->FoldNow());
  EXPECT_EQ(ScoreImages(), alone);
}

TEST_F(CopiedScoresTest, LiveDrawsGoByTheRevertedScores) {
  v1::SamplerSpec spec = t.CreateSampler("d/spec", "importance")->spec();
  spec.set_snapshot(v1::SNAPSHOT_LIVE);
  ASSERT_OK(t.CreateSampler("d/live", spec));
  ASSERT_OK_AND_ASSIGN(run, t.CreateRun("live", "d/live", 1000));
  ASSERT_OK_AND_ASSIGN(const v1::Run reference, t.CreateRun("reference", "d/live", 1000));
  for (const Uid of : {run.uid(), reference.uid()}) {
    Score(of, 0, 1);
    ASSERT_OK(t.OpenEpoch(of, 0));
  }
  ASSERT_OK(t.Commit(run.uid(), "c", true));
  Score(run.uid(), 1, 1000);
  ASSERT_OK(t.Rollback(run.uid(), "c", true));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), 0, 0));
  ASSERT_OK_AND_ASSIGN(const v1::Batch expected, t.GetStep(reference.uid(), 0, 0));
  EXPECT_EQ(batch.indices(), expected.indices());
  EXPECT_EQ(batch.probabilities(), expected.probabilities());
}

}  // namespace
}  // namespace subset
