#include "tests/server/bad_input.h"

#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/rpc_method.h>

#include <cmath>
#include <limits>

namespace subset {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST_F(BadInputTest, Feedback) {
  const auto report = [this](std::function<void(v1::ReportFeedbackRequest&)> change) {
    return [this, change] {
      return Report([&](auto& r) {
        r.mutable_feedback(0)->set_position(8);
        change(r);
      });
    };
  };
  const auto loss = [this](float value) { return [this, value] { return ReportLoss(value); }; };
  const auto items = [&](size_t n) {
    return report([n](auto& r) {
      r.mutable_feedback(0)->clear_position();
      r.mutable_feedback(0)->set_indices(std::string(4 * n, '\0'));
      r.mutable_feedback(0)->mutable_values(0)->set_values(std::string(4 * n, '\0'));
    });
  };
  Check({
      Invalid("NaN", loss(std::nanf("")), "feedback[0].values[0].values", "[7] of column \"loss\""),
      Invalid("infinite", loss(kInf), "feedback[0].values[0].values", "[7] of column \"loss\""),
      Invalid("minus infinite", loss(-kInf), "feedback[0].values[0].values",
              "[7] of column \"loss\""),
      Invalid("negative", loss(-1), "feedback[0].values[0].values", "is -1, outside [0, infinity)"),
      Invalid("NaN in another column", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_name("margin");
                r.mutable_feedback(0)->mutable_values(0)->set_values(
                    Bytes<float>({0, 0, 0, std::nanf(""), 0, 0, 0, 0}));
              }),
              "feedback[0].values[0].values", "not finite"),
      Invalid(
          "an index past the end", report([](auto& r) {
            r.mutable_feedback(0)->set_indices(Bytes<uint32_t>({0, 1, 2, 3, 4, 5, 6, kSamples}));
          }),
          "feedback[0].indices", "[7] is 1000, outside [0, 1000)"),
      Invalid("a 64-bit index past the end", report([](auto& r) {
                r.mutable_feedback(0)->set_index_width(8);
                r.mutable_feedback(0)->set_indices(
                    Bytes<uint64_t>({0, 1, 2, 3, 4, 5, 6, uint64_t{1} << 32}));
              }),
              "feedback[0].indices", "[7] is 4294967296, outside [0, 1000)"),
      Invalid("an unknown width",
              report([](auto& r) { r.mutable_feedback(0)->set_index_width(3); }),
              "feedback[0].index_width", "3 is not 4 or 8"),
      Invalid("a part of an index",
              report([](auto& r) { r.mutable_feedback(0)->mutable_indices()->pop_back(); }),
              "feedback[0].indices", "31 bytes"),
      Invalid("fewer values than indices", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_values(Bytes<float>({1}));
              }),
              "feedback[0].values[0].values", "has 4 bytes; 8 samples need 32"),
      Invalid("more values than indices", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_values(
                    Bytes(std::vector<float>(9, 1)));
              }),
              "feedback[0].values[0].values", "has 36 bytes; 8 samples need 32"),
      Invalid("a right answer of 0.5", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_name("correct");
                r.mutable_feedback(0)->mutable_values(0)->set_values(
                    Bytes<float>({0, 1, 0.5, 1, 1, 1, 1, 1}));
              }),
              "feedback[0].values[0].values", "[2] of column \"correct\" is 0.5"),
      Invalid("a column kept from another", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_name("forgetting");
              }),
              "feedback[0].values[0].name", "report \"correct\""),
      Invalid("the step of a report", report([](auto& r) {
                r.mutable_feedback(0)->mutable_values(0)->set_name("loss.step");
              }),
              "feedback[0].values[0].name", "kept by the server"),
      Invalid("no feedback", report([](auto& r) { r.clear_feedback(); }), "feedback", "is empty"),
      Invalid("no indices", report([](auto& r) { r.mutable_feedback(0)->clear_indices(); }),
              "feedback[0].indices", "is empty"),
      Invalid("16,385 items", items(16385), "feedback", "has 16385 items; at most 16384"),
      Invalid("a column twice", report([](auto& r) {
                *r.mutable_feedback(0)->add_values() = r.feedback(0).values(0);
              }),
              "feedback[0].values[1].name", "twice"),
      Invalid("an unknown durability",
              report([](auto& r) { r.set_durability(static_cast<v1::Durability>(9)); }),
              "durability", "9 is not a value"),
      Invalid("sequence 0", report([](auto& r) { r.set_sequence(0); }), "sequence", "0 is outside"),
      Invalid("epoch 2^32",
              report([](auto& r) { r.mutable_feedback(0)->set_epoch(uint64_t{1} << 32); }),
              "feedback[0].epoch", "4294967296 is outside"),
      Invalid("positions past the end",
              report([](auto& r) { r.mutable_feedback(0)->set_position(993); }),
              "feedback[0].position", "993"),
      Invalid("a sequence used with other content",
              report([this](auto& r) { r.set_sequence(sequence_); }), "sequence", "other content"),
      {"an unknown session", report([](auto& r) { r.set_session_id(12345); }),
       Code::FAILED_PRECONDITION, "SEQ_EXPIRED", "", "12345"},
      {"an epoch that is not open", report([](auto& r) { r.mutable_feedback(0)->set_epoch(7); }),
       Code::FAILED_PRECONDITION, "EPOCH_NOT_OPEN", "feedback[0].epoch", "7"},
      {"a range acknowledged in part",
       report([](auto& r) { r.mutable_feedback(0)->set_position(4); }), Code::FAILED_PRECONDITION,
       "PARTLY_ACKNOWLEDGED", "feedback[0].position", "4"},
  });
  // A sequence older than the window is refused, never applied silently.
  ASSERT_TRUE(Report([](auto& r) {
                r.set_sequence(5000);
                r.mutable_feedback(0)->clear_position();
              }).ok());
  Check({{"a sequence older than the window", report([](auto& r) { r.set_sequence(3000); }),
          Code::FAILED_PRECONDITION, "SEQ_EXPIRED", "", "1024"}});
}

TEST_F(BadInputTest, ValuesAtTheEdgeAreAccepted) {
  EXPECT_TRUE(ReportLoss(-0.0f).ok());
  const auto accepted = [this](float value) {
    return Report([&](auto& r) {
      r.mutable_feedback(0)->clear_position();
      r.mutable_feedback(0)->mutable_values(0)->set_values(Bytes(std::vector<float>(8, value)));
    });
  };
  EXPECT_TRUE(accepted(std::numeric_limits<float>::denorm_min()).ok());
  EXPECT_TRUE(accepted(std::numeric_limits<float>::max()).ok());
  EXPECT_TRUE(Report([](auto& r) {  // a repeated index is legal, and 16,384 items are
                r.mutable_feedback(0)->clear_position();
                r.mutable_feedback(0)->set_indices(std::string(4 * 16384, '\0'));
                r.mutable_feedback(0)->mutable_values(0)->set_values(std::string(4 * 16384, '\0'));
              })
                  .ok());
  EXPECT_TRUE(GetBatch([](auto& r) { r.mutable_positions()->set_batch_size(65536); }).ok());
}

TEST_F(BadInputTest, BytesThatAreNoMessageAreRefusedByGrpc) {
  const std::string before = State();
  const grpc::internal::RpcMethod method("/subset.v1.TrainingService/ReportFeedback",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  for (const std::string& bytes :
       {std::string("\xff\xff\xff\xff"), std::string("\x0a"),
        std::string("\x2a\x7f"
                    "abc"),
        std::string("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")}) {
    grpc::Slice slice(bytes);
    grpc::ByteBuffer request(&slice, 1), reply;
    Context context;
    const grpc::Status status = grpc::internal::BlockingUnaryCall(serving_->channel.get(), method,
                                                                  &context, request, &reply);
    EXPECT_EQ(status.error_code(), Code::UNIMPLEMENTED);  // what the library says
  }
  EXPECT_TRUE(State() == before);
}

}  // namespace
}  // namespace subset
