// Addresses of batches, and what stands in a reply.

#include "engine/batch.h"

#include <algorithm>
#include <set>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// Concatenates what the ranks of a world get over all steps; checks each reply's shape.
std::vector<uint32_t> DrawAllSteps(TestEngine& t, const v1::Run& run, uint64_t steps,
                                   uint32_t world_size) {
  std::vector<uint32_t> sequence;
  for (uint64_t step = 0; step < steps; ++step) {
    uint32_t samples = 0;
    uint32_t global_samples = 0;
    for (uint32_t rank = 0; rank < world_size; ++rank) {
      const auto batch = t.GetStep(run.uid(), 0, step, rank, world_size);
      EXPECT_OK(batch);
      if (!batch.ok()) return {};
      std::vector<uint32_t> indices = Decode<uint32_t>(batch->indices());
      EXPECT_FALSE(indices.empty());
      EXPECT_EQ(batch->step(), step);
      EXPECT_EQ(batch->attempt(), 1u);
      global_samples = batch->global_samples();
      if (batch->padding() > 0) {
        EXPECT_EQ(indices.size(), 1u);
        EXPECT_EQ(batch->position(), step * run.global_batch_size());
        EXPECT_TRUE(batch->has_weight());
        EXPECT_EQ(batch->weight(), 0);
        indices.clear();
      }
      samples += static_cast<uint32_t>(indices.size());
      sequence.insert(sequence.end(), indices.begin(), indices.end());
    }
    EXPECT_EQ(samples, global_samples);
  }
  return sequence;
}

TEST(BatchTest, TheGlobalSequenceDoesNotDependOnTheWorldSize) {
  for (const bool drop_last : {false, true}) {
    SCOPED_TRACE(drop_last);
    TestEngine t;
    ASSERT_OK(t.Import("d", 103, {}));
    ASSERT_OK(t.CreateSampler("d/u", "uniform"));
    ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 16, drop_last));
    ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, t.OpenEpoch(run.uid(), 0));
    EXPECT_EQ(epoch.num_positions(), 103u);
    EXPECT_EQ(epoch.num_steps(), drop_last ? 6u : 7u);
    std::vector<uint32_t> expected = t.EpochIndices(run.uid(), 0);
    std::set<uint32_t> distinct(expected.begin(), expected.end());
    EXPECT_EQ(distinct.size(), 103u);
    if (drop_last) expected.resize(96);
    // 7 samples in the last step: 8 and 40 ranks leave some with an empty share.
    for (const uint32_t world_size : {1u, 2u, 3u, 8u, 40u}) {
      SCOPED_TRACE(world_size);
      EXPECT_EQ(DrawAllSteps(t, run, epoch.num_steps(), world_size), expected);
      for (uint32_t rank = 0; rank < world_size; ++rank) {
        const auto past = t.GetStep(run.uid(), 0, epoch.num_steps(), rank, world_size);
        EXPECT_THAT(past, StatusIs(absl::StatusCode::kOutOfRange));
        EXPECT_THAT(past, ReasonIs("EPOCH_END"));
      }
    }
  }
}

TEST(BatchTest, PositionsDoNotDependOnHowTheyAreCut) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 1000, 7));
  for (const char* preset : {"uniform", "class_balanced", "importance"}) {
    SCOPED_TRACE(preset);
    const std::string sampler =
        absl::StrCat("d/", preset == std::string("class_balanced") ? "balanced" : preset);
    ASSERT_OK(t.CreateSampler(sampler, preset));
    ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun(sampler.substr(2), sampler, 10));
    const std::vector<uint32_t> all = t.EpochIndices(run.uid(), 3);
    ASSERT_EQ(all.size(), 1000u);
    for (const uint32_t size : {1u, 2u, 3u, 4u, 5u, 64u, 999u}) {
      for (uint64_t position = 0; position < 1000; position += size * 7) {
        ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetPositions(run.uid(), 3, position, size));
        const std::vector<uint32_t> indices = Decode<uint32_t>(batch.indices());
        ASSERT_EQ(indices.size(), std::min<uint64_t>(size, 1000 - position));
        ASSERT_TRUE(std::equal(indices.begin(), indices.end(), all.begin() + position));
        ASSERT_EQ(batch.global_samples(), indices.size());
      }
    }
  }
}

TEST(BatchTest, WhatIsConstantIsSentOnce) {
  TestEngine t;
  ASSERT_OK(t.ImportLabels("d", 100, 3));
  ASSERT_OK(t.CreateSampler("d/u", "uniform", {{"fraction", 0.1}}));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("u", "d/u", 10));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run.uid(), 0, 0));
  EXPECT_EQ(batch.index_width(), 4u);
  EXPECT_EQ(batch.probability(), 0.1);
  EXPECT_EQ(batch.weight(), 1);
  EXPECT_TRUE(batch.probabilities().empty());
  EXPECT_TRUE(batch.weights().empty());
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_INCLUSION_EPOCH);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_BATCH);
  EXPECT_EQ(batch.sampler_version(), 1u);
  EXPECT_EQ(batch.score_version().incarnation(), 1u);
}

TEST(BatchTest, WhatDiffersIsSentBesideItsSample) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 50, {}));
  ASSERT_OK(t.CreateSampler("d/i", "importance"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/i", 10));
  ASSERT_OK_AND_ASSIGN(const uint64_t session, t.OpenSession(run.uid()));
  std::vector<uint32_t> all(50);
  std::vector<float> losses(50);
  for (uint32_t i = 0; i < 50; ++i) {
    all[i] = i;
    losses[i] = 1.0f + static_cast<float>(i);
  }
  ASSERT_OK(t.Report(Losses(run.uid(), session, 1, 0, std::nullopt, all, losses)));
  v1::GetBatchRequest request;
  request.set_run_uid(run.uid());
  request.mutable_assigned()->set_world_size(1);
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetBatch(request));
  const auto indices = Decode<uint32_t>(batch.indices());
  const auto probabilities = Decode<double>(batch.probabilities());
  const auto weights = Decode<float>(batch.weights());
  ASSERT_EQ(probabilities.size(), 10u);
  ASSERT_EQ(weights.size(), 10u);
  EXPECT_FALSE(batch.has_probability());
  EXPECT_FALSE(batch.has_weight());
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_PER_DRAW);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_NEAR(weights[i] * probabilities[i] * 50, 1, 1e-6);
    EXPECT_NEAR(probabilities[i], 0.9 * losses[indices[i]] / 1275 + 0.1 / 50, 1e-4);
  }
  request.set_omit_probabilities(true);
  ASSERT_OK_AND_ASSIGN(const v1::Batch lean, t.GetBatch(request));
  EXPECT_TRUE(lean.probabilities().empty());
  EXPECT_EQ(lean.indices(), batch.indices());
  EXPECT_EQ(lean.weights(), batch.weights());
}

TEST(BatchTest, BadAddressesNameTheField) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 100, {}));
  ASSERT_OK(t.CreateSampler("d/u", "uniform"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 10));
  const uint64_t uid = run.uid();
  EXPECT_THAT(t.GetPositions(uid, 0, 0, 0), FieldIs("positions.batch_size"));
  EXPECT_THAT(t.GetPositions(uid, 0, 0, 65537), StatusIs(kInvalid, HasSubstr("[1, 65536]")));
  EXPECT_THAT(t.GetPositions(uid, 0, 0, 0xffffffff), StatusIs(kInvalid));
  EXPECT_THAT(t.GetStep(uid, 0, 0, 0, 0), FieldIs("assigned.world_size"));
  EXPECT_THAT(t.GetStep(uid, 0, 0, 0, 65537), FieldIs("assigned.world_size"));
  EXPECT_THAT(t.GetStep(uid, 0, 0, 2, 2), FieldIs("assigned.rank"));
  EXPECT_THAT(t.GetPositions(uid, uint64_t{1} << 32, 0, 1), FieldIs("epoch"));
  EXPECT_THAT(t.GetPositions(uid + 99, 0, 0, 1), StatusIs(absl::StatusCode::kNotFound));
  v1::GetBatchRequest nowhere;
  nowhere.set_run_uid(uid);
  EXPECT_THAT(t.GetBatch(nowhere), FieldIs("address"));
  for (const uint64_t past : {uint64_t{100}, ~uint64_t{0}}) {
    EXPECT_THAT(t.GetPositions(uid, 0, past, 1), StatusIs(absl::StatusCode::kOutOfRange));
    EXPECT_THAT(t.GetPositions(uid, 0, past, 1), ReasonIs("EPOCH_END"));
    EXPECT_THAT(t.GetStep(uid, 0, past, 0, 1), ReasonIs("EPOCH_END"));
  }
}

TEST(BatchTest, ServedBatchesAreCounted) {
  TestEngine t;
  ASSERT_OK(t.Import("d", 100, {}));
  ASSERT_OK(t.CreateSampler("d/u", "uniform"));
  ASSERT_OK_AND_ASSIGN(const v1::Run run, t.CreateRun("r", "d/u", 10));
  ASSERT_OK(t.GetStep(run.uid(), 4, 0));
  ASSERT_OK(t.GetPositions(run.uid(), 4, 95, 10));
  const EngineStats stats = t.engine->Stats();
  ASSERT_EQ(stats.runs.size(), 1u);
  EXPECT_EQ(stats.runs[0].dataset, "d");
  EXPECT_EQ(stats.runs[0].preset, "uniform");
  EXPECT_EQ(stats.runs[0].epoch, 4u);
  EXPECT_EQ(stats.runs[0].batches_served, 2u);
  EXPECT_EQ(stats.runs[0].samples_drawn, 15u);
  EXPECT_EQ(stats.runs[0].effective_sample_ratio, 1);
  EXPECT_EQ(stats.datasets[0].samples, 100u);
  EXPECT_EQ(stats.incarnation, 1u);
}

}  // namespace
}  // namespace subset
