// New versions of a sampler that are in force from a stated epoch or step on.

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

class FromEpochTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.ImportLabels("d", 100));
    ASSERT_OK(t.CreateSampler("d/s", "uniform"));
    run = t.CreateRun("r", "d/s", 10)->uid();
  }
  // Another fraction for each version.
  absl::StatusOr<v1::Sampler> Update(double fraction, uint64_t from_epoch, uint64_t from_step = 0) {
    v1::UpdateSamplerRequest request;
    request.set_name("d/s");
    request.mutable_preset()->set_name("uniform");
    (*request.mutable_preset()->mutable_parameters())["fraction"] = fraction;
    request.set_from_epoch(from_epoch);
    request.set_from_step(from_step);
    Pending<absl::StatusOr<v1::Sampler>> updated;
    t.engine->UpdateSampler(request, updated.Callback());
    return updated.Wait();
  }
  // The version that an epoch of the run opens with, or has.
  uint64_t VersionAt(uint64_t epoch) {
    const auto opened = t.OpenEpoch(run, epoch);
    EXPECT_OK(opened);
    if (!opened.ok()) return 0;
    const auto batch = t.GetPositions(run, epoch, 0, 1);
    EXPECT_OK(batch);
    EXPECT_EQ(batch->sampler_version(), opened->sampler_version());
    return opened->sampler_version();
  }

  TestEngine t;
  Uid run = 0;
};

TEST_F(FromEpochTest, EarlierEpochsThatOpenLaterKeepTheOlderVersion) {
  ASSERT_OK_AND_ASSIGN(const v1::Sampler updated, Update(.5, 3));
  EXPECT_EQ(updated.version(), 2u);
  EXPECT_EQ(updated.from_epoch(), 3u);
  EXPECT_EQ(VersionAt(0), 1u);
  EXPECT_EQ(VersionAt(2), 1u);
  EXPECT_EQ(VersionAt(3), 2u);
  EXPECT_EQ(t.OpenEpoch(run, 3)->num_positions(), 50u);
  EXPECT_EQ(VersionAt(4), 2u);
  // A run that starts later has epochs of its own.
  run = t.CreateRun("later", "d/s", 10)->uid();
  EXPECT_EQ(VersionAt(1), 1u);
  EXPECT_EQ(VersionAt(3), 2u);
}

TEST_F(FromEpochTest, SeveralVersionsWaitAndTheNewestOfAnEpochIsInForce) {
  ASSERT_OK(Update(.2, 2));
  ASSERT_OK(Update(.4, 4));
  EXPECT_EQ(VersionAt(1), 1u);
  EXPECT_EQ(VersionAt(2), 2u);
  EXPECT_EQ(VersionAt(3), 2u);
  // Takes epoch 4 from version 3, too.
  ASSERT_OK(Update(.6, 4));
  EXPECT_EQ(VersionAt(4), 4u);
  ASSERT_OK(Update(.8, 9));
  ASSERT_OK(Update(.1, 0));
  EXPECT_EQ(VersionAt(5), 6u);
  EXPECT_EQ(VersionAt(9), 6u);
}

TEST_F(FromEpochTest, AnEarlierStartReplacesALaterOne) {
  ASSERT_OK(Update(.2, 8));
  ASSERT_OK(Update(.4, 5));
  EXPECT_EQ(VersionAt(4), 1u);
  EXPECT_EQ(VersionAt(5), 3u);
  EXPECT_EQ(VersionAt(8), 3u);
}

TEST_F(FromEpochTest, AnOpenEpochRefusesWhatWouldHaveChangedIt) {
  EXPECT_EQ(VersionAt(3), 1u);
  for (const uint64_t late : {1, 3}) {
    const auto refused = Update(.5, late);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                  HasSubstr("whose epoch 3 is open")));
    EXPECT_THAT(refused, ReasonIs("EPOCH_OPEN"));
    EXPECT_THAT(refused, FieldIs("from_epoch"));
  }
  ASSERT_OK(Update(.5, 4));
  EXPECT_EQ(VersionAt(4), 2u);
  // The same request again changes nothing, also now.
  ASSERT_OK_AND_ASSIGN(const v1::Sampler again, Update(.5, 4));
  EXPECT_EQ(again.version(), 2u);
}

TEST_F(FromEpochTest, TheSameDefinitionIsNewOnlyWhereItStartsEarlier) {
  ASSERT_OK(Update(.5, 6));
  EXPECT_EQ(Update(.5, 7)->version(), 2u);
  EXPECT_EQ(t.CreateSampler("d/s", "uniform", {{"fraction", .5}})->version(), 2u);
  ASSERT_OK_AND_ASSIGN(const v1::Sampler now, Update(.5, 0));
  EXPECT_EQ(now.version(), 3u);
  EXPECT_EQ(now.from_epoch(), 0u);
  EXPECT_EQ(VersionAt(0), 3u);
}

TEST_F(FromEpochTest, ItIsRefusedOutsideItsRangeAndPastItsNumber) {
  EXPECT_THAT(Update(.5, uint64_t{1} << 32), FieldIs("from_epoch"));
  for (uint64_t i = 1; i < 64; ++i) ASSERT_OK(Update(i / 100., i));
  EXPECT_THAT(Update(.9, 100), ReasonIs("TOO_MANY_VERSIONS"));
  ASSERT_OK(Update(.7, 5));  // replaces those from epoch 5 on
  ASSERT_OK(Update(.9, 100));
  ASSERT_OK(Update(.9, 0));
  ASSERT_OK(Update(.8, 100));
}

TEST_F(FromEpochTest, WhatWaitsSurvivesACrashAndTheFold) {
  ASSERT_OK(Update(.2, 2));
  ASSERT_OK(Update(.4, 4));
  ASSERT_OK(Update(.6, 4));
  EXPECT_EQ(VersionAt(0), 1u);
  t.CrashAndReopen();
  EXPECT_EQ(VersionAt(1), 1u);
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(t.engine->Stats().recovery_records, 0u);  // all of it was in the image
  const std::vector<uint32_t> first = t.EpochIndices(run, 0);
  EXPECT_EQ(first.size(), 100u);
  EXPECT_EQ(VersionAt(2), 2u);
  EXPECT_EQ(VersionAt(3), 2u);
  EXPECT_EQ(VersionAt(4), 4u);
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(VersionAt(3), 2u);
  EXPECT_EQ(VersionAt(4), 4u);
  EXPECT_EQ(t.EpochIndices(run, 3).size(), 20u);
  EXPECT_EQ(t.EpochIndices(run, 4).size(), 60u);
}

// Epochs of version 1 have ten steps.
TEST_F(FromEpochTest, AStepIsReachedByTheFirstEpochThatBeginsThereOrLater) {
  ASSERT_OK_AND_ASSIGN(const v1::Sampler updated, Update(.5, 0, 15));
  EXPECT_EQ(updated.from_step(), 15u);
  EXPECT_EQ(VersionAt(0), 1u);
  EXPECT_EQ(VersionAt(1), 1u);  // steps 10 to 19
  t.CrashAndReopen();
  const auto refused = Update(.3, 0, 10);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition,
                                HasSubstr("epoch 1, which begins at step 10, is open")));
  EXPECT_THAT(refused, ReasonIs("EPOCH_OPEN"));
  EXPECT_THAT(refused, FieldIs("from_step"));
  EXPECT_EQ(Update(.5, 0, 20)->version(), 2u);  // is in force there already
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(VersionAt(2), 2u);  // five steps from step 20 on
  // Whole numbers of epochs do not matter to another run: it has steps of its own.
  run = t.CreateRun("later", "d/s", 10)->uid();
  EXPECT_EQ(VersionAt(7), 1u);
  EXPECT_EQ(VersionAt(8), 1u);
  EXPECT_EQ(VersionAt(9), 2u);
}

TEST_F(FromEpochTest, StepsAndEpochsWaitBesideEachOther) {
  ASSERT_OK(Update(.2, 3));
  ASSERT_OK(Update(.4, 0, 10));
  EXPECT_EQ(VersionAt(0), 1u);
  t.CrashAndReopen();
  EXPECT_EQ(VersionAt(1), 3u);  // begins at step 10
  EXPECT_EQ(VersionAt(3), 3u);
  ASSERT_OK(Update(.6, 0, 100));
  ASSERT_OK(Update(.8, 5));
  EXPECT_EQ(VersionAt(4), 3u);
  EXPECT_EQ(VersionAt(5), 5u);
  const auto both = Update(.1, 9, 9);
  EXPECT_THAT(both, FieldIs("from_step"));
  EXPECT_THAT(both, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("from_epoch is 9")));
}

TEST_F(FromEpochTest, APreviewIsOfTheVersionOfItsEpoch) {
  ASSERT_OK(Update(.5, 3));
  const auto positions = [&](uint64_t epoch) {
    v1::PreviewSamplerRequest request;
    request.mutable_planned()->set_sampler("d/s");
    request.mutable_planned()->set_epoch(epoch);
    Pending<absl::StatusOr<v1::PreviewSamplerResponse>> preview;
    t.engine->PreviewSampler(request, preview.Callback());
    const auto previewed = preview.Wait();
    EXPECT_OK(previewed);
    return previewed.ok() ? previewed->num_positions() : 0;
  };
  EXPECT_EQ(positions(2), 100u);
  EXPECT_EQ(positions(3), 50u);
}

}  // namespace
}  // namespace subset
