// Epochs that are handed in: all of it or nothing, then as any other; and what an epoch leaves out.

#include <algorithm>

#include "tests/engine/engine_testing.h"

namespace subset {
namespace {

using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class ProvideTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(t.Import("d", 100, {}));
    v1::SamplerSpec spec;
    spec.mutable_draw()->set_kind(v1::Draw::PROVIDED);
    ASSERT_OK(t.CreateSampler("d/own", spec));
    run = t.CreateRun("r", "d/own", 4)->uid();
  }

  v1::ProvideEpochRequest::Header Header(uint64_t epoch, uint64_t positions) {
    v1::ProvideEpochRequest::Header header;
    header.set_run_uid(run);
    header.set_epoch(epoch);
    header.set_num_positions(positions);
    return header;
  }
  static v1::ProvideEpochRequest::Chunk Chunk(uint64_t first, const std::vector<uint32_t>& indices,
                                              const std::vector<double>& expected = {}) {
    v1::ProvideEpochRequest::Chunk chunk;
    chunk.set_first_position(first);
    chunk.set_indices(Encode(indices));
    chunk.set_expected(Encode(expected));
    return chunk;
  }
  absl::StatusOr<v1::Epoch> Provide(uint64_t epoch, const std::vector<uint32_t>& indices,
                                    const std::vector<double>& expected = {}) {
    auto header = Header(epoch, indices.size());
    header.set_has_expected(!expected.empty());
    auto upload = t.engine->StartProvide(header);
    if (!upload.ok()) return upload.status();
    const absl::Status appended = (*upload)->Append(Chunk(0, indices, expected));
    if (!appended.ok()) return appended;
    Pending<absl::StatusOr<v1::Epoch>> opened;
    (*upload)->Commit(opened.Callback());
    return opened.Wait();
  }

  TestEngine t;
  Uid run = 0;
};

TEST_F(ProvideTest, AnEpochIsDrawnAsItWasHandedInAndSurvivesACrash) {
  const std::vector<uint32_t> order = {5, 3, 99, 3, 0, 41};
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, Provide(0, order));
  EXPECT_EQ(epoch.num_positions(), 6u);
  EXPECT_EQ(epoch.num_steps(), 2u);
  EXPECT_EQ(t.EpochIndices(run, 0), order);
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run, 0, 1));
  EXPECT_EQ(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);  // nobody knows how it was drawn
  t.CrashAndReopen();
  EXPECT_EQ(t.EpochIndices(run, 0), order);
  ASSERT_OK(t.engine->FoldNow());
  t.Reopen();
  EXPECT_EQ(t.EpochIndices(run, 0), order);
}

TEST_F(ProvideTest, ExpectedCountsGiveWeights) {
  // Of N = 100: expected counts mu give w = M / (N mu), M = 4 positions.
  ASSERT_OK(Provide(0, {1, 2, 3, 4}, {0.04, 0.08, 0.04, 0.02}));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run, 0, 0));
  EXPECT_EQ(Decode<float>(batch.weights()), std::vector<float>({1.0f, 0.5f, 1.0f, 2.0f}));
  EXPECT_NE(batch.unbiased_over(), v1::UNBIASED_OVER_NOTHING);
}

TEST_F(ProvideTest, TheSmallestAndTheLargestExpectedCountGiveFiniteWeights) {
  ASSERT_OK(Provide(0, {1, 2}, {1e-28, 1e28}));
  ASSERT_OK_AND_ASSIGN(const v1::Batch batch, t.GetStep(run, 0, 0));
  EXPECT_EQ(Decode<float>(batch.weights()), std::vector<float>({2e26f, 2e-30f}));
}

TEST_F(ProvideTest, ASampleHasOneExpectedCount) {
  const auto refused = Provide(0, {7, 1, 2, 7}, {0.5, 0.25, 1, 0.75});
  EXPECT_THAT(refused, FieldIs("chunk.expected"));
  EXPECT_THAT(refused.status().message(),
              HasSubstr("of position 3 is 0.75, but 0.5 of position 0"));
  EXPECT_TRUE(t.GetRun("r")->epochs().empty());
  EXPECT_OK(Provide(0, {7, 1, 2, 7}, {0.5, 0.25, 1, 0.5 * (1 + 1e-12)}));
}

TEST_F(ProvideTest, TheSameAgainIsTheEpochAndOtherContentIsRefused) {
  ASSERT_OK_AND_ASSIGN(const v1::Epoch first, Provide(3, {1, 2, 3}));
  ASSERT_OK_AND_ASSIGN(const v1::Epoch again, Provide(3, {1, 2, 3}));
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  EXPECT_THAT(Provide(3, {1, 2, 4}), ReasonIs("ALREADY_EXISTS"));
  EXPECT_THAT(Provide(2, {1, 2, 3}), ReasonIs("EPOCH_GONE"));
  EXPECT_EQ(t.EpochIndices(run, 3), std::vector<uint32_t>({1, 2, 3}));
  // Nothing of an epoch that nobody hands in can be drawn.
  EXPECT_THAT(t.OpenEpoch(run, 4), ReasonIs("EPOCH_NOT_PROVIDED"));
  EXPECT_THAT(t.GetStep(run, 4, 0), ReasonIs("EPOCH_NOT_PROVIDED"));
  ASSERT_OK(Provide(4, {7}));
  EXPECT_EQ(t.EpochIndices(run, 4), std::vector<uint32_t>({7}));
}

TEST_F(ProvideTest, BadInputIsRefusedAndLeavesNothing) {
  EXPECT_THAT(t.engine->StartProvide(Header(uint64_t{1} << 32, 1)).status(),
              FieldIs("header.epoch"));
  EXPECT_THAT(t.engine->StartProvide(Header(0, 0)).status(), FieldIs("header.num_positions"));
  auto width = Header(0, 1);
  width.set_index_width(3);
  EXPECT_THAT(t.engine->StartProvide(width).status(), FieldIs("header.index_width"));
  auto unknown = Header(0, 1);
  unknown.set_run_uid(12345);
  EXPECT_THAT(t.engine->StartProvide(unknown).status(), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK(t.CreateSampler("d/uniform", "uniform"));
  auto drawn = Header(0, 1);
  drawn.set_run_uid(t.CreateRun("drawn", "d/uniform", 4)->uid());
  EXPECT_THAT(t.engine->StartProvide(drawn).status(),
              StatusIs(kInvalid, HasSubstr("draw is EPOCH")));

  const auto append = [this](bool has_expected, const v1::ProvideEpochRequest::Chunk& chunk) {
    auto header = Header(0, 3);
    header.set_has_expected(has_expected);
    auto upload = t.engine->StartProvide(header);
    EXPECT_OK(upload);
    const absl::Status appended = (*upload)->Append(chunk);
    Pending<absl::StatusOr<v1::Epoch>> opened;
    (*upload)->Commit(opened.Callback());
    EXPECT_FALSE(opened.Wait().ok());
    return appended;
  };
  EXPECT_THAT(append(false, Chunk(1, {1})), FieldIs("chunk.first_position"));
  EXPECT_THAT(append(false, Chunk(0, {})), FieldIs("chunk.indices"));
  EXPECT_THAT(append(false, Chunk(0, {1, 2, 3, 4})), FieldIs("chunk.indices"));
  EXPECT_THAT(append(false, Chunk(0, {1, 100})),
              StatusIs(kInvalid, HasSubstr("of position 1 is 100, outside [0, 100)")));
  EXPECT_THAT(append(false, Chunk(0, {1}, {0.5})), FieldIs("chunk.expected"));
  EXPECT_THAT(append(true, Chunk(0, {1})), FieldIs("chunk.expected"));
  EXPECT_THAT(append(true, Chunk(0, {1}, {0})), FieldIs("chunk.expected"));
  EXPECT_THAT(append(true, Chunk(0, {1}, {NAN})), FieldIs("chunk.expected"));
  EXPECT_THAT(
      append(true, Chunk(0, {1, 2}, {1, 5e-324})),
      StatusIs(kInvalid, HasSubstr("of position 1 is 4.94066e-324, outside [1e-28, 1e+28]")));
  EXPECT_THAT(append(true, Chunk(0, {1}, {1e308})), FieldIs("chunk.expected"));
  EXPECT_OK(append(false, Chunk(0, {1, 2})));  // truncated: refused when it is committed
  EXPECT_TRUE(t.GetRun("r")->epochs().empty());
}

TEST_F(ProvideTest, WhatAnEpochLeavesOutComesInPages) {
  std::vector<uint32_t> held, left_out;
  for (uint32_t i = 0; i < 100; ++i) (i % 3 == 0 ? held : left_out).push_back(i);
  ASSERT_OK(Provide(0, held));
  v1::GetOutOfBagRequest request;
  request.set_run_uid(run);
  request.set_page_size(20);
  std::vector<uint32_t> listed;
  size_t pages = 0;
  do {
    Pending<absl::StatusOr<v1::GetOutOfBagResponse>> page;
    t.engine->GetOutOfBag(request, page.Callback());
    ASSERT_OK_AND_ASSIGN(const v1::GetOutOfBagResponse response, page.Wait());
    EXPECT_EQ(response.num_left_out(), left_out.size());
    const std::vector<uint32_t> indices = Decode<uint32_t>(response.indices());
    listed.insert(listed.end(), indices.begin(), indices.end());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(listed, left_out);
  EXPECT_EQ(pages, 4u);

  const auto refused = [this](auto change) {
    v1::GetOutOfBagRequest bad;
    bad.set_run_uid(run);
    change(bad);
    Pending<absl::StatusOr<v1::GetOutOfBagResponse>> page;
    t.engine->GetOutOfBag(bad, page.Callback());
    return page.Wait().status();
  };
  EXPECT_THAT(refused([](auto& r) { r.set_run_uid(99); }), FieldIs("run_uid"));
  EXPECT_THAT(refused([](auto& r) { r.set_epoch(5); }), ReasonIs("EPOCH_NOT_OPEN"));
  EXPECT_THAT(refused([](auto& r) { r.set_page_size(262145); }), FieldIs("page_size"));
  EXPECT_THAT(refused([](auto& r) { r.set_page_token("x"); }), FieldIs("page_token"));
}

}  // namespace
}  // namespace subset
