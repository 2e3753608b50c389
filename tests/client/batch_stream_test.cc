#include "subset/batch_stream.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "subset/client.h"
#include "subset/v1/training.grpc.pb.h"
#include "tests/client/fake_batch.h"
#include "tests/client/fake_server.h"
#include "tests/client/fake_timing.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

const grpc::Status kDown(grpc::StatusCode::UNAVAILABLE, "going down");

class BatchStreamTest : public ::testing::Test {
 protected:
  BatchStreamTest() {
    ClientOptions options;
    options.timing = &timing_;
    options.retry.max_attempts = 3;
    client_ = *Client::Connect(server_.address(), options);
  }

  // The fake's epochs: 20 positions, 5 steps of 4.
  static v1::Epoch OpenedEpoch() {
    v1::Epoch epoch;
    epoch.set_epoch(1);
    epoch.set_num_positions(20);
    epoch.set_num_steps(5);
    return epoch;
  }
  // Positions of all batches until the end; a negative one and a failure if there is an error.
  static std::vector<int64_t> Drain(BatchStream& stream) {
    std::vector<int64_t> positions;
    while (true) {
      const auto batch = stream.Next();
      if (!batch.ok()) {
        ADD_FAILURE() << batch.status();
        positions.push_back(-1);
        return positions;
      }
      if (*batch == nullptr) return positions;
      positions.push_back(static_cast<int64_t>((*batch)->position()));
    }
  }

  FakeServer server_;
  FakeTiming timing_;
  std::unique_ptr<Client> client_;
};

TEST_F(BatchStreamTest, StepsComeInOrderThenNull) {
  auto stream = client_->StreamBatches(AssignedSteps(9, OpenedEpoch(), 0, 1, 2));
  for (uint64_t step : {2, 3, 4}) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    ASSERT_NE(batch, nullptr);
    EXPECT_EQ(batch->step(), step);
    EXPECT_EQ(batch->epoch(), 1u);
    EXPECT_THAT(batch->indices(), SizeIs(4));
    EXPECT_EQ(batch->indices()[0], (7 * 4 * step + 1) % 100);
  }
  EXPECT_THAT(stream->Next(), IsOkAndHolds(nullptr));
  EXPECT_THAT(stream->Next(), IsOkAndHolds(nullptr)) << "the end stays";
}

TEST_F(BatchStreamTest, PositionsAreCutAtTheEnd) {
  auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 8));
  std::vector<size_t> sizes;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    if (batch == nullptr) break;
    sizes.push_back(batch->size());
  }
  EXPECT_THAT(sizes, ElementsAre(8, 8, 4));
}

TEST_F(BatchStreamTest, AnEmptySourceNeedsNoServer) {
  auto stream = client_->StreamBatches([](v1::GetBatchRequest*) { return false; });
  EXPECT_THAT(stream->Next(), IsOkAndHolds(nullptr));
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST_F(BatchStreamTest, ABatchSizeOfZeroEndsTheSource) {
  AddressSource source = ConsecutivePositions(9, OpenedEpoch(), 0);
  v1::GetBatchRequest request;
  int count = 0;
  while (source(&request)) ++count;
  EXPECT_EQ(count, 20);
}

// The law of resuming: whatever the places at which streams break, every address is answered
// exactly once and in order.
TEST_F(BatchStreamTest, EveryAddressIsAnsweredOnceInOrderWhereverStreamsBreak) {
  std::mt19937 random(20260101);  // NOLINT: a fixed seed, so that a failure repeats
  std::vector<int64_t> all;
  for (int64_t position = 0; position < 20; ++position) all.push_back(position);
  for (int trial = 0; trial < 60; ++trial) {
    std::string breaks;
    bool last_was_empty = false;
    for (int left = 20; left > 0;) {
      // Two fruitless streams in a row would use up the three attempts.
      const int cut = static_cast<int>(random() % 6) + (last_was_empty ? 1 : 0);
      last_was_empty = cut == 0;
      left -= cut;
      server_.EndStream(cut, random() % 4 == 0 ? grpc::Status::OK : kDown);
      absl::StrAppend(&breaks, cut, " ");
    }
    BatchStreamOptions options;
    options.in_flight = 1 + random() % 12;
    auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 1), options);
    EXPECT_EQ(Drain(*stream), all) << "breaks after " << breaks;
  }
  EXPECT_GT(server_.streams().size(), 200u) << "streams did break";
}

TEST_F(BatchStreamTest, OnlyTheUnansweredAreAskedAgain) {
  server_.EndStream(7, kDown);
  BatchStreamOptions options;
  options.in_flight = 4;
  auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 1), options);
  EXPECT_THAT(Drain(*stream), SizeIs(20));
  const auto streams = server_.streams();
  ASSERT_THAT(streams, SizeIs(2));
  ASSERT_THAT(streams[1], SizeIs(13));
  EXPECT_EQ(streams[1][0].positions().position(), 7u);
  EXPECT_THAT(timing_.sleeps(), ElementsAre(absl::Milliseconds(50)));
}

TEST_F(BatchStreamTest, NoMoreThanInFlightAreAskedAhead) {
  server_.Hold();
  BatchStreamOptions options;
  options.in_flight = 3;
  int asked = 0;
  AddressSource inner = ConsecutivePositions(9, OpenedEpoch(), 1);
  auto stream = client_->StreamBatches(
      [&](v1::GetBatchRequest* request) {
        ++asked;
        return inner(request);
      },
      options);
  EXPECT_THAT(stream->Next(absl::Milliseconds(30)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(asked, 3);
  server_.Release();
  EXPECT_THAT(Drain(*stream), SizeIs(20));
}

TEST_F(BatchStreamTest, WhatFollowsIsAskedForInOneRequest) {
  const auto requests = [&](AddressSource source, uint32_t in_flight) {
    BatchStreamOptions options;
    options.in_flight = in_flight;
    const size_t before = server_.stream_requests();
    Drain(*client_->StreamBatches(std::move(source), options));
    return server_.stream_requests() - before;
  };
  EXPECT_EQ(requests(ConsecutivePositions(9, OpenedEpoch(), 1), 1), 20u);
  EXPECT_LE(requests(ConsecutivePositions(9, OpenedEpoch(), 1), 8), 4u);  // 8, 4, 4, 4
  EXPECT_EQ(requests(AssignedSteps(9, OpenedEpoch()), 8), 1u);
  // Every other position: none follows the one before.
  AddressSource gaps = [inner = ConsecutivePositions(9, OpenedEpoch(), 2)](auto* request) {
    const bool more = inner(request);
    request->mutable_positions()->set_batch_size(1);
    return more;
  };
  EXPECT_EQ(requests(gaps, 8), 10u);
}

TEST_F(BatchStreamTest, ATimeoutLosesNothing) {
  server_.Hold();
  auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 4));
  EXPECT_THAT(stream->Next(absl::Milliseconds(20)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(stream->Next(absl::ZeroDuration()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  server_.Release();
  EXPECT_THAT(Drain(*stream), ElementsAre(0, 4, 8, 12, 16));
  EXPECT_THAT(server_.streams(), SizeIs(1)) << "the call went on";
}

TEST_F(BatchStreamTest, UnavailableAfterTheAttemptsIsNotTheEnd) {
  for (int i = 0; i < 3; ++i) server_.EndStream(0, kDown);
  auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 4));
  EXPECT_THAT(stream->Next(), StatusIs(absl::StatusCode::kUnavailable, "going down"));
  EXPECT_THAT(timing_.sleeps(), SizeIs(2));
  EXPECT_THAT(Drain(*stream), ElementsAre(0, 4, 8, 12, 16));
}

TEST_F(BatchStreamTest, AnErrorComesAfterTheBatchesBeforeItAndStays) {
  v1::Epoch too_long = OpenedEpoch();
  too_long.set_num_steps(8);  // three more than the server has
  auto stream = client_->StreamBatches(AssignedSteps(9, too_long));
  for (uint64_t step = 0; step < 5; ++step) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    EXPECT_EQ(batch->step(), step);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(stream->Next(),
                AllOf(StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("position 20")),
                      ReasonIs("EPOCH_END")));
  }
  EXPECT_THAT(timing_.sleeps(), IsEmpty());
}

TEST_F(BatchStreamTest, AStreamThatIsDroppedHalfwayIsCancelled) {
  {
    auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 1));
    ASSERT_OK(stream->Next());
  }
  server_.Hold();
  {
    auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 1));
    EXPECT_THAT(stream->Next(absl::Milliseconds(5)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  auto never_used = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 1));
}

TEST_F(BatchStreamTest, AStreamOutlivesItsClient) {
  auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 10));
  client_.reset();
  EXPECT_THAT(Drain(*stream), ElementsAre(0, 10));
}

TEST_F(BatchStreamTest, InFlightIsBroughtIntoItsRange) {
  for (uint32_t in_flight : {0u, 100'000u}) {
    BatchStreamOptions options;
    options.in_flight = in_flight;
    auto stream = client_->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 5), options);
    EXPECT_THAT(Drain(*stream), SizeIs(4));
  }
  for (const auto& requests : server_.streams()) EXPECT_THAT(requests, SizeIs(Le(4u)));
}

// A server that answers another address than the one asked.
TEST_F(BatchStreamTest, AnAnswerToAnotherQuestionIsInternal) {
  class Confused final : public v1::TrainingService::Service {
    grpc::Status StreamBatches(
        grpc::ServerContext*,
        grpc::ServerReaderWriter<v1::Batch, v1::GetBatchRequest>* stream) override {
      v1::GetBatchRequest request;
      while (stream->Read(&request)) stream->Write(FakeBatch(1, 4, 4));
      return grpc::Status::OK;
    }
  } confused;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&confused);
  auto server = builder.BuildAndStart();
  ASSERT_OK_AND_ASSIGN(auto client, Client::Connect(absl::StrCat("127.0.0.1:", port)));
  auto stream = client->StreamBatches(ConsecutivePositions(9, OpenedEpoch(), 4));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(stream->Next(),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("where this was asked")));
  }
  stream.reset();
  server->Shutdown();
}

}  // namespace
}  // namespace subset
