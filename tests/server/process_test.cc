// The program as it is run: start, refusal to start, drain under load, restart.

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/data_directory.h"
#include "tests/server/health_client.h"
#include "tests/server/http_get.h"
#include "tests/server/serving.h"
#include "tests/testing/read_file.h"
#include "tests/testing/subsetd_process.h"

namespace subset {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

size_t Lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

class ProcessTest : public ::testing::Test {
 protected:
  std::string data_dir() const { return dir_.File("data"); }
  std::vector<std::string> Flags(const std::vector<std::string>& more = {}) {
    std::vector<std::string> flags = SubsetdProcess::ServeFlags(data_dir());
    flags.insert(flags.end(), more.begin(), more.end());
    return flags;
  }
  // Makes the data directory and ends.
  void MakeData() {
    SubsetdProcess process(Flags());
    ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
    process.Signal(SIGTERM);
    ASSERT_EQ(process.Wait(), 0) << process.Output();
  }
  // Starts with `flags`, which must fail with exit status 1 and one error, the last line, that
  // holds all `words`.
  void ExpectRefusal(const std::vector<std::string>& flags, const std::vector<std::string>& words) {
    SubsetdProcess process(flags);
    EXPECT_EQ(process.Wait(), 1);
    const std::string output = process.Output();
    const size_t error = output.find("\"level\":\"error\"");
    ASSERT_NE(error, std::string::npos) << output;
    EXPECT_EQ(Lines(output.substr(error)), 1u) << output;
    EXPECT_THAT(output.substr(error), HasSubstr("cannot start: "));
    for (const std::string& word : words) EXPECT_THAT(output.substr(error), HasSubstr(word));
  }

  TempDir dir_;
};

TEST_F(ProcessTest, ServesFromItsEnvironment) {
  SubsetdProcess process({}, {"SUBSET_DATA_DIR=" + data_dir(), "SUBSET_LISTEN=127.0.0.1:0",
                              "SUBSET_METRICS_LISTEN=", "SUBSET_DRAIN_DELAY=0s"});
  ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
  EXPECT_EQ(process.metrics_address(), "");
  process.Signal(SIGTERM);
  EXPECT_EQ(process.Wait(), 0);
}

TEST_F(ProcessTest, WrongSettingsEndWithTwoAndOneLine) {
  const struct {
    std::vector<std::string> flags, environment;
    std::string message;
  } kCases[] = {
      {{}, {}, "subsetd: data_dir is required"},
      {{"--data_dri=x"}, {}, "subsetd: unknown flag --data_dri; did you mean --data_dir?"},
      {{"--data_dir=x"}, {"SUBSET_KEEP_PLANS=0"}, "subsetd: keep_plans 0 is outside [1, 64]"},
      {{"--data_dir=x"}, {"SUBSET_LISTNE=y"}, "did you mean SUBSET_LISTEN?"},
  };
  for (const auto& wrong : kCases) {
    SubsetdProcess process(wrong.flags, wrong.environment);
    EXPECT_EQ(process.Wait(), 2);
    EXPECT_THAT(process.Output(), HasSubstr(wrong.message));
    EXPECT_EQ(Lines(process.Output()), 1u);
  }
}

TEST_F(ProcessTest, PrintConfigAndCheckConfigTouchNothing) {
  SubsetdProcess print({"--data_dir=" + data_dir(), "--print_config"}, {"SUBSET_KEEP_PLANS=9"});
  EXPECT_EQ(print.Wait(), 0);
  EXPECT_THAT(print.Output(), AllOf(HasSubstr("keep_plans=9  # environment\n"),
                                    HasSubstr("listen=0.0.0.0:50051  # default\n"),
                                    HasSubstr("data_dir=" + data_dir() + "  # flag\n")));
  SubsetdProcess check({"--data_dir=" + data_dir(), "--check_config"});
  EXPECT_EQ(check.Wait(), 0);
  SubsetdProcess version({"--version"});
  EXPECT_EQ(version.Wait(), 0);
  EXPECT_FALSE(std::filesystem::exists(data_dir()));
}

TEST_F(ProcessTest, ADirectoryInUseIsRefused) {
  SubsetdProcess first(Flags());
  ASSERT_TRUE(first.WaitUntilServing()) << first.Output();
  ExpectRefusal(Flags(), {data_dir(), "in use by another process"});
  EXPECT_EQ(CheckHealth(
                grpc::CreateChannel(first.grpc_address(), grpc::InsecureChannelCredentials()).get(),
                "readiness"),
            Health::kServing);
}

TEST_F(ProcessTest, PortsInUseAreRefused) {
  SubsetdProcess first(Flags());
  ASSERT_TRUE(first.WaitUntilServing()) << first.Output();
  const std::string other = "--data_dir=" + dir_.File("other");
  ExpectRefusal({other, "--listen=" + first.grpc_address(), "--metrics_listen="},
                {"listen", first.grpc_address(), "Address already in use"});
  ExpectRefusal({other, "--listen=127.0.0.1:0", "--metrics_listen=" + first.metrics_address()},
                {"metrics_listen", first.metrics_address(), "Address already in use"});
}

TEST_F(ProcessTest, ANewerFormatIsRefusedAndLeftAsItIs) {
  MakeData();
  const std::string path = data_dir() + "/store/FORMAT";
  const std::string newer = FormatFileText(kStorageFormat + 1);
  std::ofstream(path) << newer;
  ExpectRefusal(Flags(), {path, "newer"});
  EXPECT_EQ(ReadFile(path), newer);
}

TEST_F(ProcessTest, DamageIsRefusedNamingTheFile) {
  MakeData();
  const std::string path = data_dir() + "/store/WATERMARK";
  std::filesystem::resize_file(path, 0);
  ExpectRefusal(Flags(), {path});
}

TEST_F(ProcessTest, ADirectoryThatCannotBeMadeIsRefused) {
  ExpectRefusal({"--data_dir=/proc/nothing/here", "--listen=127.0.0.1:0", "--metrics_listen="},
                {"/proc/nothing/here"});
}

// A client's world on a server: a dataset, a sampler, a run and a session.
class Job {
 public:
  explicit Job(const std::string& address)
      : channel(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        training(v1::TrainingService::NewStub(channel)) {}

  void Create() {
    {
      Context context;
      v1::Dataset dataset;
      auto stream = v1::DatasetService::NewStub(channel)->ImportDataset(&context, &dataset);
      v1::ImportDatasetRequest request;
      request.mutable_header()->set_dataset("d");
      request.mutable_header()->set_num_samples(100000);
      stream->Write(request);
      stream->WritesDone();
      ASSERT_TRUE(stream->Finish().ok());
    }
    {
      Context context;
      v1::CreateSamplerRequest request;
      v1::Sampler sampler;
      request.set_name("d/uniform");
      request.mutable_preset()->set_name("uniform");
      ASSERT_TRUE(
          v1::SamplerService::NewStub(channel)->CreateSampler(&context, request, &sampler).ok());
    }
    Context run_context, session_context;
    v1::CreateRunRequest request;
    v1::Run run;
    request.set_name("r");
    request.set_sampler("d/uniform");
    request.set_global_batch_size(64);
    ASSERT_TRUE(training->CreateRun(&run_context, request, &run).ok());
    run_uid = run.uid();
    v1::OpenSessionRequest session_request;
    v1::OpenSessionResponse session;
    session_request.set_run_uid(run_uid);
    ASSERT_TRUE(training->OpenSession(&session_context, session_request, &session).ok());
    session_id = session.session_id();
  }

  // Reports one loss for sample `sequence`.
  grpc::Status Report(uint64_t sequence) {
    Context context;
    v1::ReportFeedbackRequest request;
    v1::ReportFeedbackResponse response;
    request.set_run_uid(run_uid);
    request.set_session_id(session_id);
    request.set_sequence(sequence);
    const auto index = static_cast<uint32_t>(sequence);
    const float loss = 1;
    request.add_feedback()->set_indices(&index, sizeof(index));
    auto* column = request.mutable_feedback(0)->add_values();
    column->set_name("loss");
    column->set_values(&loss, sizeof(loss));
    return training->ReportFeedback(&context, request, &response);
  }
  v1::Run Describe() {
    Context context;
    v1::GetRunRequest request;
    v1::Run run;
    request.set_name("r");
    EXPECT_TRUE(training->GetRun(&context, request, &run).ok());
    return run;
  }

  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::TrainingService::Stub> training;
  uint64_t run_uid = 0;
  uint64_t session_id = 0;
};

TEST_F(ProcessTest, SigtermUnderLoadLosesNothingAcknowledgedAndEndsWithZero) {
  uint64_t acknowledged = 0;
  {
    SubsetdProcess process(Flags({"--drain_delay=200ms"}));
    ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
    Job job(process.grpc_address());
    job.Create();
    HealthWatch watch(job.channel.get(), "readiness");
    ASSERT_EQ(watch.Next(), Health::kServing);

    std::atomic<uint64_t> reports{0}, batches{0};
    grpc::Status report_end, stream_end;
    std::thread reporter([&] {
      for (uint64_t sequence = 1;; ++sequence) {
        report_end = job.Report(sequence);
        if (!report_end.ok()) return;
        reports = sequence;
      }
    });
    std::thread drawer([&] {
      Context context;
      auto stream = job.training->StreamBatches(&context);
      v1::GetBatchRequest request;
      v1::Batch batch;
      request.set_run_uid(job.run_uid);
      request.mutable_positions()->set_batch_size(64);
      for (int i = 0; i < 8; ++i) stream->Write(request);
      while (stream->Read(&batch)) {
        ++batches;
        stream->Write(request);
      }
      stream_end = stream->Finish();
    });
    while (reports < 20 || batches < 200) std::this_thread::yield();
    process.Signal(SIGTERM);
    EXPECT_EQ(watch.Next(), Health::kNotServing);
    reporter.join();
    drawer.join();
    EXPECT_EQ(process.Wait(), 0) << process.Output();
    EXPECT_THAT(process.Output(), HasSubstr("stopped"));
    // What a client may send again, it is told to.
    EXPECT_EQ(report_end.error_code(), grpc::StatusCode::UNAVAILABLE) << report_end.error_message();
    EXPECT_EQ(stream_end.error_code(), grpc::StatusCode::UNAVAILABLE) << stream_end.error_message();
    acknowledged = reports;
  }
  SubsetdProcess process(Flags());
  ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
  Job job(process.grpc_address());
  EXPECT_GE(job.Describe().scored_samples(), acknowledged);
  EXPECT_LE(job.Describe().scored_samples(), acknowledged + 1);  // one may have been under way
  const std::string page = HttpGet(process.metrics_address(), "/metrics");
  EXPECT_EQ(SeriesValue(page, "subset_incarnation"), 2);
}

TEST_F(ProcessTest, ASecondSignalEndsAtOnceAndLosesNothingAcknowledged) {
  {
    SubsetdProcess process(Flags({"--drain_delay=10m"}));
    ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
    Job job(process.grpc_address());
    job.Create();
    for (uint64_t sequence = 1; sequence <= 10; ++sequence) {
      ASSERT_TRUE(job.Report(sequence).ok());
    }
    HealthWatch watch(job.channel.get(), "");
    ASSERT_EQ(watch.Next(), Health::kServing);
    process.Signal(SIGTERM);
    ASSERT_EQ(watch.Next(), Health::kNotServing);
    process.Signal(SIGTERM);
    EXPECT_EQ(process.Wait(), 0) << process.Output();
    EXPECT_THAT(process.Output(), HasSubstr("second signal"));
  }
  SubsetdProcess process(Flags());
  ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
  EXPECT_EQ(Job(process.grpc_address()).Describe().scored_samples(), 10u);
}

TEST_F(ProcessTest, SigintEndsAsSigtermDoes) {
  SubsetdProcess process(Flags());
  ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
  process.Signal(SIGINT);
  EXPECT_EQ(process.Wait(), 0) << process.Output();
}

TEST_F(ProcessTest, TheMetricsPageCountsWhatARunDoes) {
  SubsetdProcess process(Flags());
  ASSERT_TRUE(process.WaitUntilServing()) << process.Output();
  Job job(process.grpc_address());
  job.Create();
  ASSERT_TRUE(job.Report(1).ok());
  ASSERT_TRUE(job.Report(1).ok());  // sent again
  Context context;
  v1::GetBatchRequest request;
  v1::Batch batch;
  request.set_run_uid(job.run_uid);
  request.mutable_positions()->set_batch_size(64);
  ASSERT_TRUE(job.training->GetBatch(&context, request, &batch).ok());
  const std::string page = HttpGet(process.metrics_address(), "/metrics");
  const std::string run = "{dataset=\"d\",run=\"r\"}";
  EXPECT_EQ(SeriesValue(page, "subset_feedback_messages_total" + run), 2);
  EXPECT_EQ(SeriesValue(page, "subset_feedback_updates_total" + run), 1);
  EXPECT_EQ(SeriesValue(page, "subset_feedback_duplicates_total" + run), 1);
  EXPECT_EQ(SeriesValue(page, "subset_score_unset_samples" + run), 99999);
  EXPECT_EQ(SeriesValue(page, "subset_epoch" + run), 0);
  EXPECT_EQ(SeriesValue(page, "subset_draws_total{dataset=\"d\",run=\"r\",preset=\"uniform\"}"),
            64);
  EXPECT_EQ(SeriesValue(page, "subset_dataset_samples{dataset=\"d\"}"), 100000);
  EXPECT_EQ(SeriesValue(page, "subset_feedback_ack_seconds_count{durability=\"durable\"}"), 2);
  EXPECT_GE(SeriesValue(page, "subset_rocksdb_write_seconds_count"), 4);
  EXPECT_EQ(SeriesValue(page, "subset_structure_rebuild_seconds_count"), 1);
}

}  // namespace
}  // namespace subset
