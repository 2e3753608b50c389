#include "subset/client.h"

#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "client/cpp/connection.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/detailed_error.h"
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
using ::testing::SizeIs;

const grpc::Status kDown(grpc::StatusCode::UNAVAILABLE, "going down");

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() : client_(*Client::Connect(server_.address(), Options())) {}

  ClientOptions Options() {
    ClientOptions options;
    options.timing = &timing_;
    options.retry.max_attempts = 4;
    return options;
  }
  v1::GetRunRequest Named(const std::string& name) {
    v1::GetRunRequest request;
    request.set_name(name);
    return request;
  }
  void MakeRun() {
    v1::CreateRunRequest request;
    request.set_name("r");
    request.set_sampler("d/s");
    request.set_global_batch_size(4);
    ASSERT_OK(client_->CreateRun(request));
  }

  FakeServer server_;
  FakeTiming timing_;
  std::unique_ptr<Client> client_;
};

// A server that is back is found within the last backoff and one of Retry's; an attempt to connect
// has time for a handshake on a busy machine.
TEST(ChannelArgumentsTest, ConnectingIsTriedAgainSoonAndEachTryHasTime) {
  const grpc::ChannelArguments arguments = client_internal::ChannelArgumentsFor(ClientOptions());
  std::map<std::string, int> set;
  const grpc_channel_args all = arguments.c_channel_args();
  for (size_t i = 0; i < all.num_args; ++i) {
    if (all.args[i].type == GRPC_ARG_INTEGER) set[all.args[i].key] = all.args[i].value.integer;
  }
  EXPECT_LE(set.at(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS), 100);
  EXPECT_GE(set.at(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS), 5000) << "the time of one try";
  constexpr double kJitter = 1.2;  // of gRPC
  EXPECT_LE(kJitter * set.at(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS) +
                absl::ToInt64Milliseconds(ClientOptions().retry.max_backoff),
            1800);
  EXPECT_EQ(set.at(GRPC_ARG_ENABLE_RETRIES), 0);
}

TEST_F(ClientTest, UnavailableIsRepeatedUntilItSucceeds) {
  MakeRun();
  server_.FailNext({kDown, kDown});
  ASSERT_OK_AND_ASSIGN(v1::Run run, client_->GetRun(Named("r")));
  EXPECT_EQ(run.name(), "r");
  EXPECT_THAT(timing_.sleeps(), ElementsAre(absl::Milliseconds(50), absl::Milliseconds(100)));
  EXPECT_THAT(server_.calls(), ElementsAre("CreateRun", "GetRun", "GetRun", "GetRun"));
}

TEST_F(ClientTest, AttemptsAreBoundedAndTheLastErrorIsReturned) {
  server_.FailNext({kDown, kDown, kDown, grpc::Status(grpc::StatusCode::UNAVAILABLE, "the 4th")});
  EXPECT_THAT(client_->GetRun(Named("r")), StatusIs(absl::StatusCode::kUnavailable, "the 4th"));
  EXPECT_THAT(server_.calls(), SizeIs(4));
}

TEST_F(ClientTest, ACancellationTheClientDidNotCauseIsTriedAgain) {
  MakeRun();
  const grpc::Status cancelled(grpc::StatusCode::CANCELLED, "the proxy went away");
  server_.FailNext({cancelled, cancelled});
  ASSERT_OK(client_->GetRun(Named("r")));
  EXPECT_THAT(server_.calls(), ElementsAre("CreateRun", "GetRun", "GetRun", "GetRun"));
}

TEST_F(ClientTest, OtherCodesAreFinal) {
  for (int code = 1; code <= 16; ++code) {
    if (code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::CANCELLED) continue;
    const size_t before = server_.calls().size();
    server_.FailNext({grpc::Status(static_cast<grpc::StatusCode>(code), "no")});
    EXPECT_THAT(client_->GetRun(Named("r")), StatusIs(static_cast<absl::StatusCode>(code), "no"));
    EXPECT_EQ(server_.calls().size(), before + 1);
  }
  EXPECT_THAT(timing_.sleeps(), IsEmpty());
}

TEST_F(ClientTest, FieldAndReasonArrive) {
  EXPECT_THAT(client_->GetRun(Named("nobody")),
              AllOf(StatusIs(absl::StatusCode::kNotFound, "run \"nobody\" does not exist"),
                    ReasonIs("NOT_FOUND")));
  server_.FailNext(
      {DetailedError(grpc::StatusCode::INVALID_ARGUMENT, "m", "name", "INVALID_FIELD")});
  EXPECT_THAT(client_->GetRun(Named("")), AllOf(FieldIs("name"), ReasonIs("INVALID_FIELD")));
}

TEST_F(ClientTest, EveryCallHasADeadline) {
  EXPECT_THAT(client_->GetRun(Named("r"), absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(client_->GetRun(Named("r"), absl::Seconds(-5)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(server_.calls(), IsEmpty());
  EXPECT_THAT(client_->GetRun(Named("r"), absl::InfiniteDuration()),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClientTest, NobodyListeningIsUnavailableAfterTheAttempts) {
  // A port that was ours a moment ago, so nobody listens there.
  const std::string address = FakeServer().address();
  ASSERT_OK_AND_ASSIGN(auto client, Client::Connect(address, Options()));
  EXPECT_THAT(client->GetRun(Named("r")), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(timing_.sleeps(), SizeIs(3));
}

TEST_F(ClientTest, OptionsOutsideTheirRangeAreNamed) {
  const auto connect = [](auto change) {
    ClientOptions options;
    change(options);
    return Client::Connect("localhost:1", options);
  };
  EXPECT_THAT(Client::Connect(""), FieldIs("address"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.default_timeout = absl::ZeroDuration(); }),
              FieldIs("default_timeout"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.retry.max_attempts = 0; }),
              FieldIs("retry.max_attempts"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.retry.max_backoff = absl::Milliseconds(1); }),
              FieldIs("retry.max_backoff"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.retry.initial_backoff = absl::Seconds(-1); }),
              FieldIs("retry.max_backoff"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.retry.multiplier = 0.5; }),
              FieldIs("retry.multiplier"));
  EXPECT_THAT(connect([](ClientOptions& o) { o.retry.patience = -absl::Seconds(1); }),
              FieldIs("retry.patience"));
}

TEST_F(ClientTest, ImportSendsEveryByteInPiecesOfAtMostOneMebibyte) {
  std::vector<double> loss(400'000);
  std::vector<uint8_t> label(400'000);
  for (size_t i = 0; i < loss.size(); ++i) {
    loss[i] = 0.5 * static_cast<double>(i);
    label[i] = static_cast<uint8_t>(i % 10);
  }
  std::vector<std::pair<uint64_t, uint64_t>> progress;
  DatasetImport dataset;
  dataset.name = "d";
  dataset.num_samples = loss.size();
  dataset.columns = {ImportColumn("loss", absl::MakeConstSpan(loss)),
                     ImportColumn("label", absl::MakeConstSpan(label))};
  dataset.progress = [&](uint64_t sent, uint64_t total) { progress.emplace_back(sent, total); };
  ASSERT_OK_AND_ASSIGN(v1::Dataset created, client_->ImportDataset(dataset));
  EXPECT_EQ(created.num_samples(), 400'000u);
  EXPECT_EQ(created.columns(0).type(), v1::COLUMN_TYPE_FLOAT64);
  const std::string sent = server_.column("d", "loss");
  ASSERT_EQ(sent.size(), loss.size() * sizeof(double));
  EXPECT_EQ(std::memcmp(sent.data(), loss.data(), sent.size()), 0);
  EXPECT_EQ(server_.column("d", "label"), std::string(label.begin(), label.end()));
  EXPECT_THAT(server_.chunk_sizes(),
              ElementsAre(1 << 20, 1 << 20, 1 << 20, 3'200'000 - 3 * (1 << 20), 400'000));
  ASSERT_THAT(progress, SizeIs(5));
  EXPECT_EQ(progress.back(), std::make_pair(uint64_t{3'600'000}, uint64_t{3'600'000}));
}

TEST_F(ClientTest, LabelSetsTravelAsWholeSamples) {
  // 200,000 samples of 0 to 6 labels, unsorted and with one twice.
  std::vector<uint64_t> offsets = {0};
  std::vector<uint32_t> labels;
  for (uint32_t i = 0; i < 200'000; ++i) {
    for (uint32_t k = i % 7; k > 0; --k) labels.push_back(k == 3 ? 2 : 1000 * k + i % 5);
    if (i % 7 >= 3) labels.push_back(2);
    offsets.push_back(labels.size());
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, EncodeLabelSets(offsets, labels));
  DatasetImport dataset;
  dataset.name = "d";
  dataset.num_samples = 200'000;
  dataset.columns = {ImportColumn("classes", v1::COLUMN_TYPE_LABEL_SET, bytes)};
  ASSERT_OK_AND_ASSIGN(const v1::Dataset created, client_->ImportDataset(dataset));
  EXPECT_EQ(server_.column("d", "classes"), bytes);
  EXPECT_EQ(created.columns(0).num_labels(), bytes.size() / 4 - 200'000);
  EXPECT_GT(server_.chunk_sizes().size(), 3u);
  size_t at = 0;
  uint64_t samples = 0;
  for (const size_t size : server_.chunk_sizes()) {
    EXPECT_LE(size, size_t{1} << 20);
    const size_t end = at + size;
    while (at < end) {  // whole sets, ascending
      uint32_t set[8];
      std::memcpy(set, &bytes[at], 4);
      ASSERT_LE(set[0], 6u);
      std::memcpy(set, &bytes[at], 4 * (1 + set[0]));
      for (uint32_t k = 2; k <= set[0]; ++k) ASSERT_LT(set[k - 1], set[k]);
      at += 4 * (1 + set[0]);
      ++samples;
    }
    ASSERT_EQ(at, end);
  }
  EXPECT_EQ(samples, 200'000u);

  dataset.num_samples = 199'999;
  EXPECT_THAT(client_->ImportDataset(dataset),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("holds label sets of 200000 samples; 199999 are needed")));
  dataset.columns[0].bytes.remove_suffix(4);
  EXPECT_THAT(client_->ImportDataset(dataset), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(LabelSetsTest, OffsetsAndLabelsAreChecked) {
  EXPECT_THAT(EncodeLabelSets({0, 2, 2, 3}, {7, 5, 9}),
              IsOkAndHolds(std::string("\2\0\0\0\5\0\0\0\7\0\0\0\0\0\0\0\1\0\0\0\x09\0\0\0", 24)));
  EXPECT_THAT(EncodeLabelSets({}, {}), FieldIs("offsets"));
  EXPECT_THAT(EncodeLabelSets({1, 3}, {1, 2, 3}), FieldIs("offsets"));
  EXPECT_THAT(EncodeLabelSets({0, 2}, {1, 2, 3}), FieldIs("offsets"));
  const auto falling = EncodeLabelSets({0, 2, 1, 3}, {1, 2, 3});
  EXPECT_THAT(falling,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 is outside [2, 3]")));
  EXPECT_THAT(falling, FieldIs("offsets[2]"));
  EXPECT_THAT(EncodeLabelSets({0, 9, 3}, {1, 2, 3}), FieldIs("offsets[1]"));
  std::vector<uint32_t> many(65537);
  for (uint32_t k = 0; k < many.size(); ++k) many[k] = k;
  EXPECT_THAT(EncodeLabelSets({0, 65537}, many),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("sample 0 has 65537 labels")));
}

TEST_F(ClientTest, ImportStartsAgainAfterUnavailable) {
  const std::vector<int64_t> when = {1, -2, 3};
  DatasetImport dataset;
  dataset.name = "d";
  dataset.num_samples = 3;
  dataset.columns = {ImportColumn("when", absl::MakeConstSpan(when))};
  server_.FailNext({kDown});
  ASSERT_OK(client_->ImportDataset(dataset));
  EXPECT_THAT(server_.calls(), ElementsAre("ImportDataset", "ImportDataset"));
  EXPECT_EQ(server_.column("d", "when").size(), 24u);
}

TEST_F(ClientTest, ImportWithoutColumnsIsLegal) {
  DatasetImport dataset;
  dataset.name = "plain";
  dataset.num_samples = 10;
  ASSERT_OK_AND_ASSIGN(v1::Dataset created, client_->ImportDataset(dataset));
  EXPECT_EQ(created.columns_size(), 0);
}

TEST_F(ClientTest, ImportRefusesAColumnOfTheWrongSizeBeforeSending) {
  const std::vector<float> values = {1, 2, 3};
  DatasetImport dataset;
  dataset.name = "d";
  dataset.num_samples = 4;
  dataset.columns = {ImportColumn("loss", absl::MakeConstSpan(values))};
  EXPECT_THAT(client_->ImportDataset(dataset),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("columns[0] \"loss\" has 12 bytes; 4 samples of 4 bytes")));
  dataset.num_samples = 3;
  dataset.columns = {ImportColumn("loss", v1::COLUMN_TYPE_UNSPECIFIED, "abc")};
  EXPECT_THAT(client_->ImportDataset(dataset),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no known type")));
  dataset.columns = {ImportColumn("loss", v1::COLUMN_TYPE_UINT16, "abcdefg")};
  EXPECT_THAT(client_->ImportDataset(dataset), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(server_.calls(), IsEmpty());
}

TEST_F(ClientTest, HealthIsAsked) {
  EXPECT_THAT(client_->CheckHealth(""), IsOkAndHolds(true));
  server_.set_serving(false);
  EXPECT_THAT(client_->CheckHealth("readiness"), IsOkAndHolds(false));
  EXPECT_THAT(client_->CheckHealth("unknown"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ClientTest, FeedbackIsRepeatedWithTheSameSequence) {
  MakeRun();
  ASSERT_OK_AND_ASSIGN(auto session, client_->OpenFeedback(9));
  EXPECT_EQ(session->session_id(), 11u);
  BatchView batch;
  ASSERT_OK(batch.Decode(FakeBatch(0, 0, 3)));
  ASSERT_OK_AND_ASSIGN(v1::Feedback feedback, LossFeedback(batch, 5, {1.f, 2.f, 3.f}));
  server_.FailNext({kDown, kDown});
  ASSERT_OK_AND_ASSIGN(auto first, session->Report({feedback}));
  EXPECT_FALSE(first.duplicate());
  ASSERT_OK(session->Report({feedback}, v1::DURABILITY_APPLIED));
  const auto reports = server_.reports();
  ASSERT_THAT(reports, SizeIs(2));
  EXPECT_EQ(reports[0].sequence(), 1u);
  EXPECT_EQ(reports[0].run_uid(), 9u);
  EXPECT_EQ(reports[0].session_id(), 11u);
  EXPECT_EQ(reports[0].durability(), v1::DURABILITY_DURABLE);
  EXPECT_EQ(reports[1].sequence(), 2u);
  EXPECT_EQ(reports[1].durability(), v1::DURABILITY_APPLIED);
}

TEST_F(ClientTest, AStampedMessageSentTwiceIsADuplicate) {
  ASSERT_OK_AND_ASSIGN(auto session, client_->OpenFeedback(9));
  const v1::ReportFeedbackRequest request = session->Stamp({v1::Feedback()});
  ASSERT_OK_AND_ASSIGN(auto first, session->Send(request));
  ASSERT_OK_AND_ASSIGN(auto second, session->Send(request));
  EXPECT_FALSE(first.duplicate());
  EXPECT_TRUE(second.duplicate());
  EXPECT_THAT(server_.reports(), SizeIs(1));
}

TEST_F(ClientTest, ASessionSharedByThreadsGivesEverySequenceOnce) {
  ASSERT_OK_AND_ASSIGN(auto session, client_->OpenFeedback(9));
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) EXPECT_OK(session->Report({v1::Feedback()}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> sequences;
  for (const auto& report : server_.reports()) sequences.insert(report.sequence());
  EXPECT_THAT(sequences, SizeIs(100));
  EXPECT_EQ(*sequences.begin(), 1u);
  EXPECT_EQ(*sequences.rbegin(), 100u);
}

TEST(LossFeedbackTest, LeavesPaddingOut) {
  v1::Batch message = FakeBatch(3, 8, 4);
  message.set_padding(1);
  BatchView batch;
  ASSERT_OK(batch.Decode(message));
  ASSERT_OK_AND_ASSIGN(v1::Feedback feedback, LossFeedback(batch, 6, {1.f, 2.f, 3.f, 4.f}));
  EXPECT_EQ(feedback.epoch(), 3u);
  EXPECT_EQ(feedback.position(), 8u);
  EXPECT_EQ(feedback.step(), 6u);
  EXPECT_EQ(feedback.attempt(), 1u);
  EXPECT_EQ(feedback.index_width(), 4u);
  EXPECT_EQ(feedback.indices(), message.indices().substr(0, 12));
  ASSERT_EQ(feedback.values_size(), 1);
  EXPECT_EQ(feedback.values(0).name(), "loss");
  EXPECT_EQ(feedback.values(0).values().size(), 12u);

  message.set_padding(4);
  ASSERT_OK(batch.Decode(message));
  ASSERT_OK_AND_ASSIGN(feedback, LossFeedback(batch, 6, {1.f, 2.f, 3.f, 4.f}));
  EXPECT_FALSE(feedback.has_position()) << "nothing is acknowledged";
  EXPECT_THAT(feedback.indices(), IsEmpty());
}

TEST(LossFeedbackTest, WideIndicesStayWide) {
  const std::vector<uint64_t> wide = {1, uint64_t{1} << 32};
  v1::Batch message = FakeBatch(0, 0, 2);
  message.set_index_width(8);
  message.set_indices(wide.data(), 16);
  BatchView batch;
  ASSERT_OK(batch.Decode(message));
  ASSERT_OK_AND_ASSIGN(v1::Feedback feedback, LossFeedback(batch, 0, {1.f, 2.f}));
  EXPECT_EQ(feedback.index_width(), 8u);
  EXPECT_EQ(feedback.indices(), message.indices());
}

TEST(LossFeedbackTest, SizesMustAgree) {
  BatchView batch;
  ASSERT_OK(batch.Decode(FakeBatch(0, 0, 2)));
  EXPECT_THAT(LossFeedback(batch, 0, {1.f}),
              AllOf(StatusIs(absl::StatusCode::kInvalidArgument), FieldIs("loss")));
}

}  // namespace
}  // namespace subset
