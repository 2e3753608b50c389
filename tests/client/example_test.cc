// The example at the top of subset/client.h, compiled, run, and compared with the comment.

#include <sstream>
#include <vector>

#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "subset/client.h"
#include "tests/client/fake_server.h"
#include "tests/testing/read_file.h"
#include "tests/testing/status_matchers.h"

namespace subset {
namespace {

std::vector<float> Train(absl::Span<const uint64_t> indices, const std::vector<float>& weights) {
  EXPECT_EQ(indices.size(), weights.size());
  return std::vector<float>(indices.size(), 0.5f);
}

// `address` instead of the comment's localhost:50051.
absl::Status Example(const std::string& address, const std::vector<uint8_t>& labels) {
  // EXAMPLE BEGINS
  SUBSET_ASSIGN_OR_RETURN(auto client, subset::Client::Connect(address));

  subset::DatasetImport dataset;
  dataset.name = "cifar";
  dataset.num_samples = labels.size();
  dataset.columns = {subset::ImportColumn("label", absl::MakeConstSpan(labels))};
  SUBSET_RETURN_IF_ERROR(client->ImportDataset(dataset).status());

  subset::v1::CreateSamplerRequest sampler;
  sampler.set_name("cifar/hard");
  sampler.mutable_preset()->set_name("importance");
  SUBSET_RETURN_IF_ERROR(client->CreateSampler(sampler).status());

  subset::v1::CreateRunRequest job;
  job.set_name("resnet-s1");
  job.set_sampler("cifar/hard");
  job.set_global_batch_size(128);
  SUBSET_ASSIGN_OR_RETURN(subset::v1::Run run, client->CreateRun(job));
  SUBSET_ASSIGN_OR_RETURN(auto feedback, client->OpenFeedback(run.uid()));

  SUBSET_ASSIGN_OR_RETURN(auto batches, client->MakeBatchSampler(run));
  while (true) {
    SUBSET_ASSIGN_OR_RETURN(const subset::BatchView* batch, batches->Next());
    if (batch == nullptr) break;  // the epoch is over
    std::vector<float> loss = Train(batch->indices(), batch->WeightVector());
    SUBSET_ASSIGN_OR_RETURN(auto report, subset::LossFeedback(*batch, batch->step(), loss));
    SUBSET_RETURN_IF_ERROR(feedback->Report({report}).status());
  }
  // EXAMPLE ENDS
  return absl::OkStatus();
}

TEST(ExampleTest, RunsAsPrinted) {
  FakeServer server;
  ASSERT_OK(Example(server.address(), std::vector<uint8_t>(100)));
  EXPECT_EQ(server.reports().size(), 5u);
}

// Lines of code between the markers, without indentation.
std::vector<std::string> Lines(const std::string& text, const std::string& begin,
                               const std::string& end, absl::string_view prefix) {
  const size_t from = text.find(begin);
  const size_t to = text.find(end, from);
  EXPECT_TRUE(from != std::string::npos && to != std::string::npos) << begin;
  std::istringstream section(text.substr(from, to - from));
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(section, line)) {
    absl::string_view code = absl::StripAsciiWhitespace(line);
    absl::ConsumePrefix(&code, prefix);
    code = absl::StripAsciiWhitespace(code);
    if (!code.empty()) lines.emplace_back(code);
  }
  return lines;
}

TEST(ExampleTest, IsTheHeadersComment) {
  const std::string header =
      ReadFile(std::string(SUBSET_SOURCE_DIR) + "/client/cpp/include/subset/client.h");
  const std::string source =
      ReadFile(std::string(SUBSET_SOURCE_DIR) + "/tests/client/example_test.cc");
  const auto printed = Lines(absl::StrReplaceAll(header, {{"\"localhost:50051\"", "address"}}),
                             "//   SUBSET_ASSIGN", "// Errors are", "//");
  auto compiled = Lines(source, "  SUBSET_ASSIGN", "  // EXAMPLE ENDS", "");
  EXPECT_GT(printed.size(), 20u);
  EXPECT_EQ(printed, compiled);
}

}  // namespace
}  // namespace subset
