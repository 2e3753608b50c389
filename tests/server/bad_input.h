// The real engine, store and server around one dataset, sampler and run; each test sends one of
// their requests with one thing wrong and checks the code, the fixed word, the field, what the
// message says, and that nothing changed.

#ifndef SUBSET_TESTS_SERVER_BAD_INPUT_H_
#define SUBSET_TESTS_SERVER_BAD_INPUT_H_

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "gtest/gtest.h"
#include "storage/rocks_store.h"
#include "tests/server/serving.h"
#include "tests/testing/bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace subset {

using Code = grpc::StatusCode;

inline constexpr uint64_t kSamples = 1000;

template <typename Message>
std::string Deterministic(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// What a request with one thing changed is answered.
struct Refusal {
  std::string what;
  std::function<grpc::Status()> call;
  Code code;
  std::string reason;
  std::string field;    // empty: the message names it
  std::string message;  // part of it
};

class BadInputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RocksStoreOptions store_options;
    store_options.path = dir_.File("data");
    ASSERT_OK_AND_ASSIGN(auto store, RocksStore::Open(store_options));
    ASSERT_OK_AND_ASSIGN(engine_, Engine::Open(EngineOptions(), std::move(store)));
    serving_ = std::make_unique<Serving>(engine_.get());
    ASSERT_TRUE(Import([](auto&) {}).ok());
    ASSERT_TRUE(CreateSampler([](auto& r) { r.mutable_preset()->set_name("uniform"); }).ok());
    ASSERT_TRUE(CreateSampler([](auto& r) {
                  r.set_name("d/importance");
                  r.mutable_preset()->set_name("importance");
                }).ok());
    ASSERT_TRUE(CreateRun([](auto&) {}).ok());
    Context context;
    v1::OpenSessionRequest request;
    v1::OpenSessionResponse response;
    request.set_run_uid(run_.uid());
    ASSERT_TRUE(serving_->training->OpenSession(&context, request, &response).ok());
    session_ = response.session_id();
    ASSERT_TRUE(GetBatch([](auto&) {}).ok());
    ASSERT_TRUE(Report([](auto&) {}).ok());
  }
  void TearDown() override {
    serving_.reset();
    engine_.reset();
  }

  // Each sends a good request after `change`.
  template <typename Change>
  grpc::Status Import(Change change) {
    v1::ImportDatasetRequest header, chunk;
    header.mutable_header()->set_dataset("d");
    header.mutable_header()->set_num_samples(kSamples);
    auto* column = header.mutable_header()->add_columns();
    column->set_name("label");
    column->set_type(v1::COLUMN_TYPE_UINT8);
    chunk.mutable_chunk()->set_column("label");
    chunk.mutable_chunk()->set_data(std::string(kSamples, '\1'));
    std::vector<v1::ImportDatasetRequest> messages = {header, chunk};
    change(messages);
    Context context;
    v1::Dataset dataset;
    auto stream = serving_->datasets->ImportDataset(&context, &dataset);
    for (const auto& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    return stream->Finish();
  }
  template <typename Change>
  grpc::Status CreateSampler(Change change) {
    Context context;
    v1::CreateSamplerRequest request;
    v1::Sampler sampler;
    request.set_name("d/uniform");
    change(request);
    return serving_->samplers->CreateSampler(&context, request, &sampler);
  }
  // A sampler whose definition is a whole spec: power of the loss, with replacement.
  template <typename Change>
  grpc::Status CreateSpec(Change change) {
    return CreateSampler([&](v1::CreateSamplerRequest& request) {
      request.set_name("d/other");
      request.mutable_spec()->mutable_preference()->mutable_score_power()->set_alpha(1);
      change(*request.mutable_spec());
    });
  }
  template <typename Change>
  grpc::Status CreateRun(Change change) {
    Context context;
    v1::CreateRunRequest request;
    request.set_name("r");
    request.set_sampler("d/uniform");
    request.set_seed(1);
    request.set_global_batch_size(8);
    change(request);
    v1::Run run;
    const grpc::Status status = serving_->training->CreateRun(&context, request, &run);
    if (status.ok()) run_ = run;
    return status;
  }
  template <typename Change>
  grpc::Status OpenEpoch(Change change) {
    Context context;
    v1::OpenEpochRequest request;
    v1::Epoch epoch;
    request.set_run_uid(run_.uid());
    change(request);
    return serving_->training->OpenEpoch(&context, request, &epoch);
  }
  template <typename Change>
  grpc::Status GetBatch(Change change) {
    Context context;
    v1::GetBatchRequest request;
    v1::Batch batch;
    request.set_run_uid(run_.uid());
    request.mutable_positions()->set_batch_size(8);
    change(request);
    return serving_->training->GetBatch(&context, request, &batch);
  }
  // Reports the losses of positions 0 to 7 of epoch 0, in the next sequence.
  template <typename Change>
  grpc::Status Report(Change change) {
    Context context;
    v1::ReportFeedbackRequest request;
    v1::ReportFeedbackResponse response;
    request.set_run_uid(run_.uid());
    request.set_session_id(session_);
    request.set_sequence(sequence_ + 1);
    auto* feedback = request.add_feedback();
    feedback->set_position(0);
    feedback->set_indices(Bytes<uint32_t>({0, 1, 2, 3, 4, 5, 6, 7}));
    auto* loss = feedback->add_values();
    loss->set_name("loss");
    loss->set_values(Bytes<float>({1, 2, 3, 4, 5, 6, 7, 8}));
    change(request);
    const grpc::Status status = serving_->training->ReportFeedback(&context, request, &response);
    if (status.ok()) sequence_ = std::max<uint64_t>(sequence_, request.sequence());
    return status;
  }
  // The report with its eighth loss changed, for other positions.
  grpc::Status ReportLoss(float loss) {
    return Report([&](auto& r) {
      r.mutable_feedback(0)->set_position(8);
      r.mutable_feedback(0)->mutable_values(0)->set_values(
          Bytes<float>({1, 2, 3, 4, 5, 6, 7, loss}));
    });
  }

  // Everything a client can see of the state.
  std::string State() {
    Context c1, c2, c3;
    v1::ListDatasetsResponse datasets;
    v1::ListSamplersResponse samplers;
    v1::ListRunsResponse runs;
    EXPECT_TRUE(serving_->datasets->ListDatasets(&c1, {}, &datasets).ok());
    EXPECT_TRUE(serving_->samplers->ListSamplers(&c2, {}, &samplers).ok());
    EXPECT_TRUE(serving_->training->ListRuns(&c3, {}, &runs).ok());
    return Deterministic(datasets) + Deterministic(samplers) + Deterministic(runs);
  }
  double Rejected() {
    double sum = 0;
    const std::string text = MetricsText(*serving_->metrics.collectable());
    for (size_t at = 0;
         (at = text.find("\nsubset_rejected_requests_total{", at)) != std::string::npos; ++at) {
      sum += std::strtod(text.c_str() + text.find("} ", at) + 2, nullptr);
    }
    return sum;
  }

  void Check(const std::vector<Refusal>& refusals) {
    for (const Refusal& refusal : refusals) {
      SCOPED_TRACE(refusal.what);
      const std::string before = State();
      const double rejected_before = Rejected();
      const grpc::Status status = refusal.call();
      const ErrorDetails details = DetailsOf(status);
      EXPECT_EQ(status.error_code(), refusal.code) << status.error_message();
      EXPECT_EQ(details.reason, refusal.reason);
      EXPECT_EQ(details.domain, "subset");
      if (!refusal.field.empty()) {
        EXPECT_EQ(details.field, refusal.field);
      }
      EXPECT_THAT(status.error_message(), ::testing::HasSubstr(refusal.message));
      EXPECT_LE(status.error_message().size(), 1024u);
      EXPECT_EQ(Rejected(), rejected_before + 1);
      EXPECT_TRUE(State() == before) << "the state changed";
    }
  }
  static Refusal Invalid(std::string what, std::function<grpc::Status()> call, std::string field,
                         std::string message) {
    return {std::move(what), std::move(call),  Code::INVALID_ARGUMENT,
            "INVALID_FIELD", std::move(field), std::move(message)};
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Serving> serving_;
  v1::Run run_;
  uint64_t session_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace subset

#endif  // SUBSET_TESTS_SERVER_BAD_INPUT_H_
