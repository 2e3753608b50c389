#include "client/cpp/uniform_batch.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "client/cpp/philox.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "subset/batch_view.h"
#include "tests/testing/status_matchers.h"

namespace subset::client_internal {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Lt;

TEST(UniformBatchTest, PhiloxGivesTheKnownAnswers) {
  // Of Random123's kat_vectors.
  EXPECT_THAT(Philox({0, 0}, {0, 0, 0, 0}),
              ElementsAreArray({0x16554d9eca36314cu, 0xdb20fe9d672d0fdcu, 0xd7e772cee186176bu,
                                0x7e68b68aec7ba23bu}));
  const uint64_t ones = ~uint64_t{0};
  EXPECT_THAT(Philox({ones, ones}, {ones, ones, ones, ones}),
              ElementsAreArray({0x87b092c3013fe90bu, 0x438c3c67be8d0224u, 0x9cc7d7c69cd777b6u,
                                0xa09caebf594f0ba0u}));
  EXPECT_THAT(
      Philox({0x452821e638d01377u, 0xbe5466cf34e90c6cu},
             {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u, 0x082efa98ec4e6c89u}),
      ElementsAreArray(
          {0xa528f45403e61d95u, 0x38c72dbd566e9788u, 0xa5a1610e72fd18b5u, 0x57bd43b5e52b7fe6u}));
}

// The definition as it reads: over an array of all samples, word by word.
std::vector<uint64_t> Shuffled(uint64_t seed, uint64_t epoch, uint64_t step, uint64_t num_samples,
                               uint64_t total) {
  std::vector<uint64_t> places(num_samples);
  std::iota(places.begin(), places.end(), 0);
  for (uint64_t i = 0; i < total; ++i) {
    const uint64_t word = Philox({seed, 0x7375627365740001}, {i / 4 + 1, 0, step, epoch})[i % 4];
    std::swap(places[i], places[i + MultiplyHigh(word, num_samples - i)]);
  }
  places.resize(total);
  return places;
}

TEST(UniformBatchTest, IsTheShuffleOfTheDefinition) {
  for (uint64_t num_samples : {1, 2, 7, 100, 1000}) {
    for (uint64_t total : {uint64_t{1}, num_samples / 2, num_samples - 1, num_samples}) {
      for (uint64_t step = 0; step < 20; ++step) {
        const auto indices = UniformIndices(~uint64_t{0}, 3, step, num_samples, total);
        ASSERT_EQ(indices, Shuffled(~uint64_t{0}, 3, step, num_samples, total));
        ASSERT_EQ(std::set<uint64_t>(indices.begin(), indices.end()).size(), total);
        ASSERT_THAT(indices, Each(Lt(num_samples)));
      }
    }
  }
}

TEST(UniformBatchTest, ALargeDatasetCostsNoMoreThanTheBatch) {
  const uint64_t num_samples = uint64_t{1} << 40;
  const auto indices = UniformIndices(1, 0, 0, num_samples, 1000);
  EXPECT_THAT(indices, Each(Lt(num_samples)));
  EXPECT_GT(*std::max_element(indices.begin(), indices.end()), num_samples / 2);
}

TEST(UniformBatchTest, ABatchLargerThanTheDatasetRepeats) {
  const auto indices = UniformIndices(1, 0, 0, 5, 1000);
  EXPECT_EQ(indices.size(), 1000u);
  EXPECT_THAT(indices, Each(Lt(5u)));
  EXPECT_EQ(std::set<uint64_t>(indices.begin(), indices.end()).size(), 5u);
  // As in tests/python/test_fallback.py.
  EXPECT_THAT(UniformIndices(1, 3, 2, 5, 12),
              ElementsAreArray({1, 1, 4, 0, 2, 0, 3, 3, 4, 4, 1, 4}));
}

double ChiSquare(const std::vector<double>& counts, double expected) {
  double sum = 0;
  for (double count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

// 20,000 draws of 20 samples: 19 degrees of freedom, P(> 67.8) < 1e-6; the seeds are fixed.
TEST(UniformBatchTest, EverySampleIsAsLikelyAtEveryPlace) {
  for (uint64_t place : {0, 1, 19}) {
    std::vector<double> counts(20);
    for (uint64_t step = 0; step < 20'000; ++step)
      ++counts[UniformIndices(5, 1, step, 20, 20)[place]];
    EXPECT_LT(ChiSquare(counts, 1000), 67.8) << place;
  }
  std::vector<double> repeated(20);
  for (uint64_t step = 0; step < 800; ++step) {
    for (uint64_t index : UniformIndices(5, 2, step, 20, 25)) ++repeated[index];
  }
  EXPECT_LT(ChiSquare(repeated, 1000), 67.8);
}

// All 380 ordered pairs of the first two places: 379 degrees of freedom, P(> 530) < 1e-6.
TEST(UniformBatchTest, PairsAreUniformToo) {
  std::vector<double> counts(400);
  for (uint64_t step = 0; step < 38'000; ++step) {
    const auto pair = UniformIndices(6, 0, step, 20, 2);
    ++counts[pair[0] * 20 + pair[1]];
  }
  std::vector<double> possible;
  for (size_t i = 0; i < 400; ++i) {
    if (i / 20 != i % 20) possible.push_back(counts[i]);
  }
  EXPECT_LT(ChiSquare(possible, 100), 530);
}

v1::Run MakeRun() {
  v1::Run run;
  run.set_num_samples(50);
  run.set_seed(7);
  run.set_global_batch_size(9);
  return run;
}

v1::Epoch MakeEpoch() {
  v1::Epoch epoch;
  epoch.set_epoch(3);
  epoch.set_num_positions(50);
  epoch.set_num_steps(6);
  return epoch;
}

BatchView Share(uint64_t step, uint32_t rank, uint32_t world_size) {
  BatchView view;
  EXPECT_OK(view.Decode(UniformBatch(MakeRun(), MakeEpoch(), step, rank, world_size)));
  return view;
}

TEST(UniformBatchTest, RanksShareOneBatchAtAnyWorldSize) {
  for (uint64_t step = 0; step < 6; ++step) {
    const BatchView whole = Share(step, 0, 1);
    EXPECT_EQ(whole.size(), step < 5 ? 9u : 5u);
    EXPECT_EQ(whole.position(), 9 * step);
    for (uint32_t world_size : {2u, 4u, 12u}) {
      std::vector<uint64_t> together;
      for (uint32_t rank = 0; rank < world_size; ++rank) {
        const BatchView share = Share(step, rank, world_size);
        EXPECT_EQ(share.position(), whole.position() + together.size());
        EXPECT_EQ(share.global_samples(), whole.size());
        ASSERT_GT(share.size(), 0u) << "a step for every rank";
        EXPECT_EQ(share.weight(0), share.padding() > 0 ? 0 : 1);
        const auto kept = share.indices().first(share.size() - share.padding());
        together.insert(together.end(), kept.begin(), kept.end());
      }
      EXPECT_THAT(together, ElementsAreArray(whole.indices()));
    }
  }
}

TEST(UniformBatchTest, IsFlagged) {
  const BatchView batch = Share(2, 0, 1);
  EXPECT_TRUE(batch.fallback());
  EXPECT_EQ(batch.attempt(), 0u);
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);
  EXPECT_EQ(batch.probability_kind(), v1::PROBABILITY_KIND_PER_DRAW);
  EXPECT_EQ(batch.probability(0), 0.02);
  EXPECT_EQ(batch.epoch(), 3u);
  EXPECT_EQ(batch.step(), 2u);
}

TEST(UniformBatchTest, ASamplerThatLeavesSamplesOutHasNone) {
  v1::Sampler sampler;
  sampler.set_name("d/s");
  EXPECT_OK(CheckUnrestricted(sampler));
  sampler.mutable_spec()->mutable_proportion()->set_kind(v1::Proportion::EQUAL);
  EXPECT_OK(CheckUnrestricted(sampler));
  sampler.mutable_spec()->mutable_proportion()->set_kind(v1::Proportion::EXPLICIT);
  EXPECT_THAT(CheckUnrestricted(sampler), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                   HasSubstr("\"d/s\" has proportion EXPLICIT")));
  sampler.mutable_spec()->mutable_eligible()->add_all();
  EXPECT_THAT(CheckUnrestricted(sampler),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has eligible")));
}

}  // namespace
}  // namespace subset::client_internal
