// What a rollback reverts with the scores: columns kept from others, and learned shares.

#include <algorithm>
#include <cmath>

#include "engine/catalog.h"
#include "engine/feedback.h"
#include "engine/recovery.h"
#include "sampling/forgetting.h"
#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

constexpr uint64_t kSamples = 200;
constexpr uint32_t kBatch = 20;

class RevertedScoresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", kSamples, /*classes=*/2));
    v1::SamplerSpec spec;
    spec.mutable_proportion()->set_kind(v1::Proportion::GROUP_DRO);
    spec.mutable_proportion()->set_column("label");
    spec.mutable_proportion()->set_eta(0.1);
    ASSERT_OK(t.CreateSampler("d/s", spec));
    v1::CreateRunRequest request;
    request.set_name("r");
    request.set_sampler("d/s");
    request.set_global_batch_size(kBatch);
    (*request.mutable_score_ema())["loss"] = 0.5;
    Pending<absl::StatusOr<v1::Run>> created;
    t.engine->CreateRun(request, created.Callback());
    ASSERT_OK_AND_ASSIGN(run, created.Wait());
    ASSERT_OK_AND_ASSIGN(session, t.OpenSession(run.uid()));
    ASSERT_OK(t.OpenEpoch(run.uid(), 0));
  }
  // Reports a step of epoch 0: label 1 is twice as hard as label 0.
  void Train(uint64_t step) {
    ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), 0, step));
    const std::vector<uint32_t> indices = Decode<uint32_t>(batch.indices());
    std::vector<float> losses;
    for (const uint32_t i : indices) losses.push_back(i % 2 == 1 ? 2.0f : 1.0f);
    ASSERT_OK(
        t.Report(Losses(run.uid(), session, ++sequence, 0, batch.position(), indices, losses)));
  }
  // Another value for one sample.
  void Report(const std::string& column, float value) {
    v1::ReportFeedbackRequest report =
        Losses(run.uid(), session, ++sequence, 0, std::nullopt, {3}, {value});
    report.mutable_feedback(0)->mutable_values(0)->set_name(column);
    ASSERT_OK(t.Report(report));
  }
  // What the column holds for it, read back as recovery does.
  float Value(const std::string& column) {
    t.engine.reset();
    Catalog catalog;
    EXPECT_OK(Recover(t.disk.Open().get(), &catalog));
    t.Reopen();
    return catalog.FindRun("r")->Snapshot({column}).views().at(column)[3];
  }
  double Forgotten() { return sampling::ForgettingRank(Value(kForgettingColumn)); }
  // Of the slots of a fresh epoch, those of label 1.
  int64_t OfLabel1(uint64_t epoch) {
    EXPECT_OK(t.OpenEpoch(run.uid(), epoch, /*now=*/true));
    const std::vector<uint32_t> drawn = t.EpochIndices(run.uid(), epoch);
    return std::count_if(drawn.begin(), drawn.end(), [](uint32_t i) { return i % 2 == 1; });
  }
  // Group DRO after so many steps: e^(eta step (2 - 1)) to 1.
  static double Expected(double steps) {
    return kSamples * std::exp(0.1 * steps) / (1 + std::exp(0.1 * steps));
  }

  TestEngine t;
  v1::Run run;
  uint64_t session = 0;
  uint64_t sequence = 0;
};

TEST_F(RevertedScoresTest, ColumnsKeptFromOthersAreAsTheyWere) {
  Report("loss", 8);
  for (const float correct : {1, 0, 1}) Report(kCorrectColumn, correct);
  ASSERT_OK(t.Commit(run.uid(), "c", /*keep_scores=*/true));
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    Report("loss", 0);
    for (const float correct : {0, 1, 0}) Report(kCorrectColumn, correct);
    Report("margin", 5);
    if (round > 0) {
      EXPECT_EQ(Value("loss"), 4) << "smoothed over what was there at the commit";
      EXPECT_EQ(Forgotten(), 3) << "counted on from the commit";
      EXPECT_EQ(Value("margin"), 5);
    }
    if (round > 1) {
      ASSERT_OK(t.engine->FoldNow());
    }
    ASSERT_OK(t.Rollback(run.uid(), "c", /*revert_scores=*/true));
    EXPECT_EQ(Value("loss"), 8);
    EXPECT_EQ(Value(kCorrectColumn), 1);
    EXPECT_EQ(Forgotten(), 1);
    EXPECT_TRUE(std::isnan(Value("margin"))) << "not there at the commit";
  }
}

TEST_F(RevertedScoresTest, LearnedSharesGoBackWithTheScores) {
  for (uint64_t step = 0; step < 4; ++step) Train(step);
  ASSERT_OK(t.Commit(run.uid(), "c", /*keep_scores=*/true));
  for (uint64_t step = 4; step < 10; ++step) Train(step);
  EXPECT_NEAR(OfLabel1(1), Expected(10), 1);
  ASSERT_OK(t.Rollback(run.uid(), "c"));
  EXPECT_NEAR(OfLabel1(2), Expected(10), 1) << "they stay where scores do";
  uint64_t epoch = 3;
  for (const bool fold : {false, true}) {
    for (const bool crash : {false, true}) {
      SCOPED_TRACE(absl::StrCat(fold, crash));
      if (fold) {
        ASSERT_OK(t.engine->FoldNow());
      }
      if (crash) t.CrashAndReopen();
      ASSERT_OK(t.Rollback(run.uid(), "c", /*revert_scores=*/true));
      if (crash) t.CrashAndReopen();
      EXPECT_NEAR(OfLabel1(epoch++), Expected(4), 1);
      for (uint64_t step = 4; step < 10; ++step) Train(step);
      EXPECT_NEAR(OfLabel1(epoch++), Expected(10), 1) << "and are learned anew from there";
    }
  }
}

TEST_F(RevertedScoresTest, SharesOfOtherStrataThanTheCommitsStartAnew) {
  ASSERT_OK(t.Commit(run.uid(), "before", /*keep_scores=*/true));
  for (uint64_t step = 0; step < 4; ++step) Train(step);
  ASSERT_OK(t.Rollback(run.uid(), "before", /*revert_scores=*/true));
  EXPECT_EQ(OfLabel1(1), kSamples / 2) << "nothing was learned by then";

  for (uint64_t step = 0; step < 4; ++step) Train(step);
  ASSERT_OK(t.Commit(run.uid(), "two", /*keep_scores=*/true));
  ASSERT_OK(t.ImportLabels("d", kSamples, /*classes=*/4));
  ASSERT_OK(t.OpenEpoch(run.uid(), 2, /*now=*/true));
  ASSERT_OK(t.engine->FoldNow());
  t.CrashAndReopen();
  ASSERT_OK(t.Rollback(run.uid(), "two", /*revert_scores=*/true));
  EXPECT_EQ(OfLabel1(3), kSamples / 2) << "four strata, all alike";
  ASSERT_OK(t.ImportLabels("d", kSamples, /*classes=*/2));
  ASSERT_OK(t.OpenEpoch(run.uid(), 4, /*now=*/true));
  ASSERT_OK(t.Rollback(run.uid(), "two", /*revert_scores=*/true));
  EXPECT_NEAR(OfLabel1(5), Expected(4), 1) << "the strata of the commit are back";
}

}  // namespace
}  // namespace subset
