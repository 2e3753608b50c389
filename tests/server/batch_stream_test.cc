#include "server/batch_stream.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/serving.h"
#include "tests/testing/fake_engine.h"

namespace subset {
namespace {

v1::GetBatchRequest At(uint64_t position) {
  v1::GetBatchRequest request;
  request.mutable_positions()->set_position(position);
  request.mutable_positions()->set_batch_size(8);
  return request;
}

void Fill(const v1::GetBatchRequest& request, v1::Batch* reply) {
  reply->set_position(request.positions().position());
  reply->set_index_width(4);
  reply->set_indices(std::string(4 * request.positions().batch_size(), 'i'));
}

// Draws that wait until the test lets them go, each on a thread of its own, as an engine's do.
class HeldDraws {
 public:
  void Hold(std::function<void()> draw) {
    std::lock_guard<std::mutex> lock(mu_);
    draws_.push_back(std::move(draw));
    changed_.notify_all();
  }
  // Waits for one to be there, then runs it elsewhere.
  void LetOneGo() {
    std::function<void()> draw;
    {
      std::unique_lock<std::mutex> lock(mu_);
      changed_.wait(lock, [&] { return !draws_.empty(); });
      draw = std::move(draws_.front());
      draws_.pop_front();
    }
    std::thread(std::move(draw)).join();
  }
  void WaitForOne() {
    std::unique_lock<std::mutex> lock(mu_);
    changed_.wait(lock, [&] { return !draws_.empty(); });
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> draws_;
};

// AnyInvocable cannot be copied into a std::function; this can.
std::function<void(absl::Status)> Shared(FakeEngine::BatchDone done) {
  auto shared = std::make_shared<FakeEngine::BatchDone>(std::move(done));
  return [shared](absl::Status status) { (*shared)(std::move(status)); };
}

class BatchStreamTest : public ::testing::Test {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::GetBatchRequest, v1::Batch>;

  BatchStreamTest() {
    engine_.get_batch = [](const v1::GetBatchRequest& request, v1::Batch* reply, Engine::Cancelled,
                           FakeEngine::BatchDone done) {
      EXPECT_TRUE(reply->weights().empty());
      EXPECT_EQ(reply->position(), 0);
      Fill(request, reply);
      done(absl::OkStatus());
    };
  }
  void HoldDraws() {
    engine_.get_batch = [this](const v1::GetBatchRequest& request, v1::Batch* reply,
                               Engine::Cancelled, FakeEngine::BatchDone done) {
      held_.Hold([request, reply, done = Shared(std::move(done))] {
        Fill(request, reply);
        done(absl::OkStatus());
      });
    };
  }
  Serving& Serve() {
    serving_ = std::make_unique<Serving>(&engine_);
    return *serving_;
  }
  void WaitForMetric(const std::string& series, double value) {
    while (serving_->Metric(series) != value) std::this_thread::yield();
  }
  static constexpr char kReceived[] =
      "grpc_server_msg_received_total{grpc_method=\"StreamBatches\","
      "grpc_service=\"subset.v1.TrainingService\",grpc_type=\"bidi_stream\"}";
  static constexpr char kActive[] = "subset_streams_active";

  FakeEngine engine_;
  HeldDraws held_;
  std::unique_ptr<Serving> serving_;
};

TEST_F(BatchStreamTest, OneReplyPerRequestInOrderWithManyInFlight) {
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(stream->Write(At(i)));
  v1::Batch batch;
  for (uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), i);
    ASSERT_EQ(batch.indices().size(), 32u);
    if (i + 64 < 1000) {
      ASSERT_TRUE(stream->Write(At(i + 64)));
    }
  }
  ASSERT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&batch));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BatchStreamTest, WhatWasAskedBeforeTheClientsEndIsAnswered) {
  HoldDraws();
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(stream->Write(At(i)));
  ASSERT_TRUE(stream->WritesDone());
  v1::Batch batch;
  for (uint64_t i = 0; i < 20; ++i) {
    held_.LetOneGo();
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), i);
  }
  EXPECT_FALSE(stream->Read(&batch));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(BatchStreamTest, NotMoreThan1024AreOutstanding) {
  HoldDraws();
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 1500; ++i) ASSERT_TRUE(stream->Write(At(i)));
  WaitForMetric(kReceived, 1024);
  // A call behind them on the same connection is handled: everything has arrived, and was not read.
  Context other;
  v1::Dataset dataset;
  EXPECT_EQ(serving.datasets->GetDataset(&other, {}, &dataset).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(serving_->Metric(kReceived), 1024);
  v1::Batch batch;
  for (uint64_t i = 0; i < 1500; ++i) {
    held_.LetOneGo();
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), i);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

v1::GetBatchRequest Several(v1::GetBatchRequest request, uint32_t num_batches) {
  request.set_num_batches(num_batches);
  return request;
}

TEST_F(BatchStreamTest, ARequestForManyIsAsManyRequests) {
  v1::GetBatchRequest step;
  step.set_run_uid(5);
  step.set_epoch(2);
  step.set_omit_probabilities(true);
  step.mutable_assigned()->set_step(7);
  step.mutable_assigned()->set_rank(1);
  step.mutable_assigned()->set_world_size(2);
  v1::GetBatchRequest block;
  block.set_run_uid(5);
  block.mutable_leased()->set_worker("w");
  std::mutex mu;
  std::vector<std::string> drawn;
  engine_.get_batch = [&](const v1::GetBatchRequest& request, v1::Batch* reply, Engine::Cancelled,
                          FakeEngine::BatchDone done) {
    {
      std::lock_guard<std::mutex> lock(mu);
      EXPECT_LE(request.num_batches(), 1u);
      v1::GetBatchRequest alone = request;
      alone.clear_num_batches();
      drawn.push_back(alone.ShortDebugString());
    }
    Fill(request, reply);
    done(absl::OkStatus());
  };
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  std::vector<std::string> expected;
  const auto ask = [&](const v1::GetBatchRequest& first, uint32_t num_batches, auto following) {
    ASSERT_TRUE(stream->Write(Several(first, num_batches)));
    for (uint32_t k = 0; k < std::max<uint32_t>(num_batches, 1); ++k) {
      v1::GetBatchRequest next = first;
      following(k, &next);
      expected.push_back(next.ShortDebugString());
    }
  };
  for (const uint32_t num_batches : {0, 1, 2, 64}) {
    ask(step, num_batches,
        [](uint32_t k, v1::GetBatchRequest* next) { next->mutable_assigned()->set_step(7 + k); });
    ask(At(3), num_batches, [](uint32_t k, v1::GetBatchRequest* next) {
      next->mutable_positions()->set_position(3 + 8 * k);
    });
    ask(block, num_batches, [](uint32_t, v1::GetBatchRequest*) {});
  }
  ASSERT_TRUE(stream->WritesDone());
  v1::Batch batch;
  for (size_t k = 0; k < expected.size(); ++k) ASSERT_TRUE(stream->Read(&batch));
  EXPECT_FALSE(stream->Read(&batch));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(drawn, expected);
}

TEST_F(BatchStreamTest, OutstandingAreBatchesNotRequests) {
  HoldDraws();
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 20; ++i) ASSERT_TRUE(stream->Write(Several(At(64 * 8 * i), 64)));
  WaitForMetric(kReceived, 1024 / 64);
  Context other;  // as above: everything has arrived
  v1::Dataset dataset;
  EXPECT_EQ(serving.datasets->GetDataset(&other, {}, &dataset).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(serving_->Metric(kReceived), 1024 / 64);
  v1::Batch batch;
  for (uint64_t i = 0; i < 20 * 64; ++i) {
    held_.LetOneGo();
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), 8 * i);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// The engine refuses it, as it does any other bad address.
TEST_F(BatchStreamTest, ARequestForTooManyIsDrawnAsItIs) {
  engine_.get_batch = [](const v1::GetBatchRequest& request, v1::Batch*, Engine::Cancelled,
                         FakeEngine::BatchDone done) {
    done(InvalidField("num_batches", std::to_string(request.num_batches())));
  };
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  ASSERT_TRUE(stream->Write(Several(At(0), 65)));
  v1::Batch batch;
  EXPECT_FALSE(stream->Read(&batch));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailsOf(status).field, "num_batches");
  EXPECT_THAT(status.error_message(), ::testing::HasSubstr("65"));
}

TEST_F(BatchStreamTest, AnErrorEndsTheStreamAsGetBatchWouldAndRepliesBeforeItStand) {
  auto succeed = engine_.get_batch;
  engine_.get_batch = [succeed](const v1::GetBatchRequest& request, v1::Batch* reply,
                                Engine::Cancelled cancelled, FakeEngine::BatchDone done) {
    if (request.positions().position() == 3) {
      return done(WithReason(absl::OutOfRangeError("past the end"), "EPOCH_END"));
    }
    succeed(request, reply, std::move(cancelled), std::move(done));
  };
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 10; ++i) stream->Write(At(i));
  v1::Batch batch;
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), i);
  }
  EXPECT_FALSE(stream->Read(&batch));
  const grpc::Status streamed = stream->Finish();

  Context unary_context;
  const grpc::Status unary = serving.training->GetBatch(&unary_context, At(3), &batch);
  EXPECT_EQ(streamed.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(streamed.error_code(), unary.error_code());
  EXPECT_EQ(streamed.error_message(), unary.error_message());
  EXPECT_EQ(streamed.error_details(), unary.error_details());
  EXPECT_EQ(DetailsOf(streamed).reason, "EPOCH_END");
}

TEST_F(BatchStreamTest, ACancelledStreamEndsTheDrawItWaitsFor) {
  std::thread waiter;
  std::atomic<bool> waiting{false};
  engine_.get_batch = [&](const v1::GetBatchRequest&, v1::Batch*, Engine::Cancelled cancelled,
                          FakeEngine::BatchDone done) {
    waiter = std::thread([cancelled, done = Shared(std::move(done))] {
      while (!cancelled()) std::this_thread::yield();
      done(absl::CancelledError("nobody waits"));
    });
    waiting = true;  // the thread can be joined
  };
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  for (uint64_t i = 0; i < 5; ++i) ASSERT_TRUE(stream->Write(At(i)));
  while (!waiting) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  waiter.join();
  WaitForMetric(kActive, 0);
}

TEST_F(BatchStreamTest, AClientThatGoesWithoutReadingLeavesNothing) {
  Serving& serving = Serve();
  for (int i = 0; i < 50; ++i) {
    Context context;
    auto stream = serving.training->StreamBatches(&context);
    for (uint64_t j = 0; j < 30; ++j) stream->Write(At(j));
    context.TryCancel();
    stream->Finish();
  }
  WaitForMetric(kActive, 0);
  WaitForMetric("subset_inflight_requests{method=\"StreamBatches\"}", 0);
}

TEST_F(BatchStreamTest, ADrainAnswersWhatWasReadThenSaysSo) {
  HoldDraws();
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  ASSERT_TRUE(stream->Write(At(0)));
  ASSERT_TRUE(stream->Write(At(1)));
  WaitForMetric(kReceived, 2);
  held_.WaitForOne();
  std::thread drain([&] { serving.server->Drain(); });
  v1::Batch batch;
  for (uint64_t i = 0; i < 2; ++i) {
    held_.LetOneGo();
    ASSERT_TRUE(stream->Read(&batch));
    ASSERT_EQ(batch.position(), i);
  }
  EXPECT_FALSE(stream->Read(&batch));  // the client still had more to ask
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(DetailsOf(status).reason, "DRAINING");
  drain.join();
  EXPECT_TRUE(engine_.stopped_waiting);
}

TEST_F(BatchStreamTest, AnIdleStreamDoesNotHoldADrainUp) {
  Serving& serving = Serve();
  Context context;
  auto stream = serving.training->StreamBatches(&context);
  v1::Batch batch;
  ASSERT_TRUE(stream->Write(At(0)));
  ASSERT_TRUE(stream->Read(&batch));
  serving.server->Drain();  // would take the whole deadline otherwise, and cancel
  EXPECT_FALSE(stream->Read(&batch));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(BatchStreamTest, DrawsEndingOnAnyThreadKeepTheOrderOfEachStream) {
  // Every third draw ends on another thread; streams race with each other.
  std::mutex mu;
  std::vector<std::thread> threads;
  engine_.get_batch = [&](const v1::GetBatchRequest& request, v1::Batch* reply, Engine::Cancelled,
                          FakeEngine::BatchDone done) {
    Fill(request, reply);
    if (request.positions().position() % 3 != 0) return done(absl::OkStatus());
    std::lock_guard<std::mutex> lock(mu);
    threads.emplace_back([done = Shared(std::move(done))] { done(absl::OkStatus()); });
  };
  Serving& serving = Serve();
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&] {
      Context context;
      auto stream = serving.training->StreamBatches(&context);
      for (uint64_t i = 0; i < 8; ++i) ASSERT_TRUE(stream->Write(At(i)));
      v1::Batch batch;
      for (uint64_t i = 0; i < 300; ++i) {
        ASSERT_TRUE(stream->Read(&batch));
        ASSERT_EQ(batch.position(), i);
        ASSERT_TRUE(stream->Write(At(i + 8)));
      }
      stream->WritesDone();
      for (uint64_t i = 300; i < 308; ++i) ASSERT_TRUE(stream->Read(&batch));
      EXPECT_TRUE(stream->Finish().ok());
    });
  }
  for (auto& client : clients) client.join();
  for (auto& thread : threads) thread.join();
}

TEST_F(BatchStreamTest, BatchesAreCountedOnceOnBothPathsAndWaitingIsNotDrawing) {
  Serving& serving = Serve();
  Context unary_context, context;
  v1::Batch batch;
  ASSERT_TRUE(serving.training->GetBatch(&unary_context, At(0), &batch).ok());
  auto stream = serving.training->StreamBatches(&context);
  ASSERT_TRUE(stream->Write(At(1)));
  ASSERT_TRUE(stream->Read(&batch));
  EXPECT_EQ(serving_->Metric("subset_draw_seconds_count"), 2);
  EXPECT_EQ(serving_->Metric("subset_batch_size_sum"), 16);
  EXPECT_EQ(serving_->Metric(kActive), 1);
  stream->WritesDone();
  stream->Finish();

  HoldDraws();  // no call is under way
  Context waiting_context;
  std::thread caller(
      [&] { EXPECT_TRUE(serving.training->GetBatch(&waiting_context, At(2), &batch).ok()); });
  held_.LetOneGo();
  caller.join();
  EXPECT_EQ(serving_->Metric("subset_draw_seconds_count"), 2);
}

}  // namespace
}  // namespace subset
