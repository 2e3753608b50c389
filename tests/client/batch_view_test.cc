#include "subset/batch_view.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/bytes.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Batch Good() {
  v1::Batch batch;
  batch.set_epoch(2);
  batch.set_position(30);
  batch.set_step(3);
  batch.set_attempt(1);
  batch.set_index_width(4);
  batch.set_indices(Bytes<uint32_t>({5, 4294967295u, 7}));
  batch.set_probabilities(Bytes<double>({0.5, 0.25, 0.125}));
  batch.set_weights(Bytes<float>({1, 2, 0}));
  batch.set_padding(1);
  batch.set_global_samples(12);
  return batch;
}

TEST(BatchViewTest, ArraysAreDecoded) {
  BatchView view;
  ASSERT_OK(view.Decode(Good()));
  EXPECT_EQ(view.epoch(), 2u);
  EXPECT_EQ(view.position(), 30u);
  EXPECT_EQ(view.step(), 3u);
  EXPECT_EQ(view.attempt(), 1u);
  EXPECT_EQ(view.padding(), 1u);
  EXPECT_EQ(view.global_samples(), 12u);
  EXPECT_THAT(view.indices(), ElementsAre(5, 4294967295u, 7));
  EXPECT_THAT(view.probabilities(), ElementsAre(0.5, 0.25, 0.125));
  EXPECT_EQ(view.probability(1), 0.25);
  EXPECT_EQ(view.weight(1), 2);
  EXPECT_THAT(view.WeightVector(), ElementsAre(1, 2, 0));
}

TEST(BatchViewTest, ConstantsStandForTheWholeBatch) {
  v1::Batch batch = Good();
  batch.clear_probabilities();
  batch.clear_weights();
  batch.set_probability(0.1);
  batch.set_weight(3);
  BatchView view;
  ASSERT_OK(view.Decode(batch));
  EXPECT_TRUE(view.has_probabilities());
  EXPECT_THAT(view.probabilities(), IsEmpty());
  EXPECT_EQ(view.probability(2), 0.1);
  EXPECT_THAT(view.weights(), IsEmpty());
  EXPECT_EQ(view.weight(0), 3);
  EXPECT_THAT(view.WeightVector(), ElementsAre(3, 3, 3));
}

TEST(BatchViewTest, ProbabilitiesMayBeOmittedAndIndicesMayBeWide) {
  v1::Batch batch = Good();
  batch.clear_probabilities();
  batch.set_index_width(8);
  batch.set_indices(Bytes<uint64_t>({1, uint64_t{1} << 40, 3}));
  BatchView view;
  ASSERT_OK(view.Decode(batch));
  EXPECT_FALSE(view.has_probabilities());
  EXPECT_THAT(view.indices(), ElementsAre(1, uint64_t{1} << 40, 3));
}

TEST(BatchViewTest, WhatWasSelectedKnowsItsPlacesInThePool) {
  v1::Batch batch = Good();
  batch.set_places(Bytes<uint32_t>({9, 0, 9}));
  batch.set_pool_samples(10);
  BatchView view;
  ASSERT_OK(view.Decode(batch));
  EXPECT_THAT(view.places(), ElementsAre(9, 0, 9));
  EXPECT_EQ(view.pool_samples(), 10u);
  for (const auto& wrong : std::vector<std::vector<uint32_t>>{{9, 0}, {9, 0, 10}, {}}) {
    batch.set_places(Bytes(wrong));
    EXPECT_THAT(view.Decode(batch), StatusIs(absl::StatusCode::kInternal, HasSubstr("pool of 10")));
    EXPECT_THAT(view.places(), IsEmpty());
  }
  v1::Batch none;
  none.set_index_width(4);
  none.set_pool_samples(10);
  ASSERT_OK(view.Decode(none)) << "nothing was chosen";
  EXPECT_EQ(view.size(), 0u);
  EXPECT_EQ(view.pool_samples(), 10u);
  ASSERT_OK(view.Decode(Good()));
  EXPECT_EQ(view.pool_samples(), 0u);
}

TEST(BatchViewTest, ReuseLeavesNothingOfTheBatchBefore) {
  BatchView view;
  ASSERT_OK(view.Decode(Good()));
  v1::Batch empty;
  empty.set_index_width(4);
  empty.set_weight(1);
  ASSERT_OK(view.Decode(empty));
  EXPECT_EQ(view.size(), 0u);
  EXPECT_EQ(view.padding(), 0u);
  EXPECT_FALSE(view.has_probabilities());
}

TEST(BatchViewTest, ArraysThatDoNotFitAreInternalAndLeaveTheViewEmpty) {
  const auto broken = [](auto change) {
    v1::Batch batch = Good();
    change(batch);
    return batch;
  };
  const v1::Batch batches[] = {
      broken([](v1::Batch& b) { b.set_index_width(0); }),
      broken([](v1::Batch& b) { b.set_index_width(2); }),
      broken([](v1::Batch& b) { b.mutable_indices()->pop_back(); }),
      broken([](v1::Batch& b) { b.set_index_width(8); }),  // 12 bytes
      broken([](v1::Batch& b) { b.mutable_probabilities()->pop_back(); }),
      broken([](v1::Batch& b) {
        b.set_probabilities(Bytes<double>({1, 2}));
      }),
      broken([](v1::Batch& b) { b.set_probability(1); }),  // and the array
      broken([](v1::Batch& b) { b.mutable_weights()->pop_back(); }),
      broken([](v1::Batch& b) {
        b.set_weights(Bytes<float>({1, 2, 3, 4}));
      }),
      broken([](v1::Batch& b) { b.clear_weights(); }),  // and no constant
      broken([](v1::Batch& b) { b.set_weight(1); }),    // and the array
      broken([](v1::Batch& b) { b.set_padding(4); }),
  };
  for (const v1::Batch& batch : batches) {
    BatchView view;
    ASSERT_OK(view.Decode(Good()));
    EXPECT_THAT(view.Decode(batch),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("position 30 of epoch 2")))
        << batch.ShortDebugString();
    EXPECT_EQ(view.size(), 0u);
    EXPECT_EQ(view.padding(), 0u);
  }
}

}  // namespace
}  // namespace subset
