#include "server/rpc.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/serving.h"
#include "tests/testing/bytes.h"
#include "tests/testing/fake_engine.h"

namespace subset {
namespace {

// A clock that is ahead of everybody's deadlines.
class LateClock : public Clock {
 public:
  absl::Time Now() override { return Real()->Now() + absl::Hours(1); }
  absl::Duration Monotonic() override { return Real()->Monotonic(); }
};

class RpcTest : public ::testing::Test {
 protected:
  FakeEngine engine_;
};

TEST_F(RpcTest, WorkWhoseDeadlineHasPassedIsNotExecutedAndCounted) {
  bool executed = false;
  engine_.get_dataset = [&](const v1::GetDatasetRequest&) {
    executed = true;
    return v1::Dataset();
  };
  engine_.get_batch = [&](const v1::GetBatchRequest&, v1::Batch*, Engine::Cancelled,
                          FakeEngine::BatchDone done) {
    executed = true;
    done(absl::OkStatus());
  };
  engine_.start_import = [&](const v1::ImportDatasetRequest::Header&) {
    executed = true;
    return absl::InternalError("not reached");
  };
  LateClock clock;
  Serving serving(&engine_, LoopbackOptions(), &clock);

  Context c1, c2, c3, c4;
  v1::Dataset dataset;
  v1::Batch batch;
  EXPECT_EQ(serving.datasets->GetDataset(&c1, {}, &dataset).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(serving.training->GetBatch(&c2, {}, &batch).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  auto stream = serving.training->StreamBatches(&c3);
  stream->Write({});
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  auto import = serving.datasets->ImportDataset(&c4, &dataset);
  import->Write({});
  EXPECT_EQ(import->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);

  EXPECT_FALSE(executed);
  for (const char* method : {"GetDataset", "GetBatch", "StreamBatches", "ImportDataset"}) {
    EXPECT_EQ(serving.Metric(std::string("subset_deadline_expired_before_start_total{method=\"") +
                             method + "\"}"),
              1)
        << method;
  }
}

TEST_F(RpcTest, ACallWithoutADeadlineIsExecuted) {
  engine_.get_dataset = [&](const v1::GetDatasetRequest&) { return v1::Dataset(); };
  Serving serving(&engine_);
  grpc::ClientContext context;
  v1::Dataset dataset;
  EXPECT_TRUE(serving.datasets->GetDataset(&context, {}, &dataset).ok());
}

TEST_F(RpcTest, EveryCallIsCountedByCodeAndReason) {
  engine_.get_dataset = [&](const v1::GetDatasetRequest& request) -> absl::StatusOr<v1::Dataset> {
    if (request.name() == "good") return v1::Dataset();
    if (request.name() == "odd") {
      return WithReason(absl::FailedPreconditionError("odd"), "NEVER_HEARD_OF");
    }
    return NotFound("dataset", request.name());
  };
  Serving serving(&engine_);
  const auto call = [&](const char* name) {
    Context context;
    v1::GetDatasetRequest request;
    v1::Dataset dataset;
    request.set_name(name);
    return serving.datasets->GetDataset(&context, request, &dataset);
  };
  EXPECT_TRUE(call("good").ok());
  EXPECT_TRUE(call("good").ok());
  EXPECT_EQ(call("missing").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(call("odd").error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  const std::string labels =
      "grpc_method=\"GetDataset\",grpc_service=\"subset.v1.DatasetService\",grpc_type=\"unary\"}";
  EXPECT_EQ(serving.Metric("grpc_server_started_total{" + labels), 4);
  EXPECT_EQ(serving.Metric("grpc_server_msg_received_total{" + labels), 4);
  EXPECT_EQ(serving.Metric("grpc_server_msg_sent_total{" + labels), 2);
  EXPECT_EQ(serving.Metric("grpc_server_handling_seconds_count{" + labels), 4);
  EXPECT_EQ(serving.Metric("grpc_server_handled_total{grpc_code=\"OK\"," + labels), 2);
  EXPECT_EQ(serving.Metric("grpc_server_handled_total{grpc_code=\"NotFound\"," + labels), 1);
  EXPECT_EQ(
      serving.Metric("subset_rejected_requests_total{method=\"GetDataset\",reason=\"NOT_FOUND\"}"),
      1);
  EXPECT_EQ(
      serving.Metric("subset_rejected_requests_total{method=\"GetDataset\",reason=\"other\"}"), 1);
  EXPECT_EQ(serving.Metric("subset_inflight_requests{method=\"GetDataset\"}"), 0);
}

TEST_F(RpcTest, RefusedFeedbackCountsTheValuesThatNoScoreMayHave) {
  engine_.report_feedback = [](const v1::ReportFeedbackRequest&,
                               Engine::Done<v1::ReportFeedbackResponse> done) {
    done(InvalidField("feedback[0].values[0].values", "has a NaN"));
  };
  Serving serving(&engine_);
  v1::ReportFeedbackRequest request;
  auto* loss = request.add_feedback()->add_values();
  loss->set_name("loss");
  constexpr float kInf = std::numeric_limits<float>::infinity();
  loss->set_values(Bytes<float>({1, NAN, kInf, -kInf, -2, -0.0f, NAN}));
  auto* other = request.mutable_feedback(0)->add_values();
  other->set_name("margin");
  other->set_values(Bytes<float>({-1, NAN}) + "odd");
  Context context;
  v1::ReportFeedbackResponse response;
  EXPECT_EQ(serving.training->ReportFeedback(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(serving.Metric("subset_feedback_rejected_values_total{reason=\"nan\"}"), 3);
  EXPECT_EQ(serving.Metric("subset_feedback_rejected_values_total{reason=\"inf\"}"), 2);
  EXPECT_EQ(serving.Metric("subset_feedback_rejected_values_total{reason=\"negative\"}"), 1);
}

TEST_F(RpcTest, AcknowledgementsAreTimedByDurability) {
  engine_.report_feedback = [](const v1::ReportFeedbackRequest& request,
                               Engine::Done<v1::ReportFeedbackResponse> done) {
    v1::ReportFeedbackResponse response;
    response.set_durability(request.durability());
    done(response);
  };
  Serving serving(&engine_);
  for (auto durability : {v1::DURABILITY_DURABLE, v1::DURABILITY_APPLIED, v1::DURABILITY_APPLIED}) {
    Context context;
    v1::ReportFeedbackRequest request;
    v1::ReportFeedbackResponse response;
    request.set_durability(durability);
    ASSERT_TRUE(serving.training->ReportFeedback(&context, request, &response).ok());
  }
  EXPECT_EQ(serving.Metric("subset_feedback_ack_seconds_count{durability=\"durable\"}"), 1);
  EXPECT_EQ(serving.Metric("subset_feedback_ack_seconds_count{durability=\"applied\"}"), 2);
}

TEST_F(RpcTest, AMessageAboveTheLimitIsRefusedByGrpc) {
  Serving serving(&engine_);
  v1::ReportFeedbackRequest request;
  request.add_feedback()->set_indices(std::string((4u << 20) + 1, 'x'));
  Context context;
  v1::ReportFeedbackResponse response;
  EXPECT_EQ(serving.training->ReportFeedback(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace subset
