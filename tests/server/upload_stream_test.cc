#include "server/upload_stream.h"

#include <atomic>
#include <thread>

#include "base/error.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/serving.h"
#include "tests/testing/fake_engine.h"

namespace subset {
namespace {

// What became of the one import of a test.
struct Record {
  std::atomic<int> appended{0};
  std::atomic<int> committed{0};
  std::atomic<int> dropped{0};  // ended without a commit
};

class FakeImport : public DatasetImport {
 public:
  explicit FakeImport(Record* record) : record_(record) {}
  ~FakeImport() override {
    if (!committed_) ++record_->dropped;
  }
  absl::Status Append(const v1::ImportDatasetRequest::Chunk& chunk) override {
    if (chunk.column() == "bad") return InvalidField("chunk.column", "\"bad\" was not declared");
    ++record_->appended;
    return absl::OkStatus();
  }
  void Commit(absl::AnyInvocable<void(absl::StatusOr<v1::Dataset>)> done) override {
    committed_ = true;
    ++record_->committed;
    v1::Dataset dataset;
    dataset.set_uid(7);
    done(dataset);
  }

 private:
  Record* const record_;
  bool committed_ = false;
};

v1::ImportDatasetRequest Header() {
  v1::ImportDatasetRequest message;
  message.mutable_header()->set_dataset("d");
  return message;
}

v1::ImportDatasetRequest Chunk(size_t size, const std::string& column = "label") {
  v1::ImportDatasetRequest message;
  message.mutable_chunk()->set_column(column);
  message.mutable_chunk()->set_data(std::string(size, 'x'));
  return message;
}

class ImportStreamTest : public ::testing::Test {
 protected:
  ImportStreamTest() {
    engine_.start_import = [this](const v1::ImportDatasetRequest::Header& header)
        -> absl::StatusOr<std::unique_ptr<DatasetImport>> {
      if (header.dataset() != "d") return InvalidField("header.dataset", "is not d");
      return std::make_unique<FakeImport>(&record_);
    };
    serving_ = std::make_unique<Serving>(&engine_);
  }

  // Sends `messages` and the end; returns how the call ended.
  grpc::Status Send(const std::vector<v1::ImportDatasetRequest>& messages) {
    Context context;
    auto stream = serving_->datasets->ImportDataset(&context, &dataset_);
    for (const auto& message : messages) {
      if (!stream->Write(message)) break;
    }
    stream->WritesDone();
    return stream->Finish();
  }

  FakeEngine engine_;
  Record record_;
  v1::Dataset dataset_;
  std::unique_ptr<Serving> serving_;
};

TEST_F(ImportStreamTest, AHeaderAndChunksBecomeOneCommit) {
  EXPECT_TRUE(Send({Header(), Chunk(1 << 20), Chunk(0), Chunk(5)}).ok());
  EXPECT_EQ(dataset_.uid(), 7u);
  EXPECT_EQ(record_.appended, 3);
  EXPECT_EQ(record_.committed, 1);
  EXPECT_EQ(record_.dropped, 0);
}

TEST_F(ImportStreamTest, EveryWrongSequenceIsRefusedNamingTheFieldAndLeavesNothing) {
  v1::ImportDatasetRequest other_header = Header();
  other_header.mutable_header()->set_dataset("other");
  const struct {
    const char* what;
    std::vector<v1::ImportDatasetRequest> messages;
    const char* field;
  } kCases[] = {
      {"nothing at all", {}, "header"},
      {"a chunk first", {Chunk(1)}, "header"},
      {"two headers", {Header(), Header()}, "header"},
      {"an empty message", {Header(), v1::ImportDatasetRequest()}, "part"},
      {"a chunk the engine refuses", {Header(), Chunk(1, "bad"), Chunk(1)}, "chunk.column"},
      {"a header the engine refuses", {other_header, Chunk(1)}, "header.dataset"},
  };
  for (const auto& wrong : kCases) {
    const grpc::Status status = Send(wrong.messages);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << wrong.what;
    EXPECT_EQ(DetailsOf(status).field, wrong.field) << wrong.what;
    EXPECT_EQ(DetailsOf(status).reason, "INVALID_FIELD") << wrong.what;
  }
  EXPECT_EQ(record_.committed, 0);
  while (record_.dropped != 3) std::this_thread::yield();  // those whose header was good
}

TEST_F(ImportStreamTest, ACancelledStreamIsDroppedWithoutACommit) {
  Context context;
  auto stream = serving_->datasets->ImportDataset(&context, &dataset_);
  ASSERT_TRUE(stream->Write(Header()));
  ASSERT_TRUE(stream->Write(Chunk(1)));
  while (record_.appended != 1) std::this_thread::yield();
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  while (record_.dropped != 1) std::this_thread::yield();
  EXPECT_EQ(record_.committed, 0);
}

}  // namespace
}  // namespace subset
