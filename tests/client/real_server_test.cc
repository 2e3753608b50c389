// The C++ library against a real subsetd.

#include <signal.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "subset/client.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/subsetd_process.h"
#include "tests/testing/temp_dir.h"

namespace subset {
namespace {

using ::testing::AllOf;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAreArray;

constexpr size_t kSamples = 10'000;

class RealServerTest : public ::testing::Test {
 protected:
  RealServerTest() {
    Serve();
    ClientOptions options;
    options.retry.max_attempts = 200;  // a killed server takes a while to come back
    options.retry.max_backoff = absl::Milliseconds(200);
    client_ = *Client::Connect(server_->grpc_address(), options);
  }

  // Returns once it serves.
  void Serve(const std::string& listen = "127.0.0.1:0") {
    std::vector<std::string> flags = SubsetdProcess::ServeFlags(dir_.File("data"));
    flags.push_back("--listen=" + listen);
    server_ = std::make_unique<SubsetdProcess>(flags);
    EXPECT_TRUE(server_->WaitUntilServing()) << server_->Output();
  }
  void Kill() {
    server_->Signal(SIGKILL);
    server_->Wait();
  }
  // At the address it had.
  void Restart() { Serve(server_->grpc_address()); }

  v1::Run MakeRun(const std::string& preset) {
    std::vector<uint8_t> labels(kSamples);
    for (size_t i = 0; i < kSamples; ++i) labels[i] = static_cast<uint8_t>(i % 10);
    DatasetImport dataset;
    dataset.name = "d";
    dataset.num_samples = kSamples;
    dataset.columns = {ImportColumn("label", absl::MakeConstSpan(labels))};
    EXPECT_OK(client_->ImportDataset(dataset));
    v1::CreateSamplerRequest sampler;
    sampler.set_name("d/s");
    sampler.mutable_preset()->set_name(preset);
    EXPECT_OK(client_->CreateSampler(sampler));
    v1::CreateRunRequest request;
    request.set_name("r");
    request.set_sampler("d/s");
    request.set_seed(4);
    request.set_global_batch_size(100);
    const auto run = client_->CreateRun(request);
    EXPECT_OK(run);
    return *run;
  }
  v1::Epoch Open(uint64_t run_uid, uint64_t number, bool now = false) {
    v1::OpenEpochRequest request;
    request.set_run_uid(run_uid);
    request.set_epoch(number);
    request.set_now(now);
    const auto epoch = client_->OpenEpoch(request);
    EXPECT_OK(epoch);
    return epoch.value_or(v1::Epoch());
  }

  TempDir dir_;
  std::unique_ptr<SubsetdProcess> server_;
  std::unique_ptr<Client> client_;
};

TEST_F(RealServerTest, AnEpochOverTwoRanksCoversEverySampleOnce) {
  const v1::Run run = MakeRun("uniform");
  const v1::Epoch epoch = Open(run.uid(), 0);
  EXPECT_EQ(epoch.num_steps(), 100u);
  std::multiset<uint64_t> seen;
  for (uint32_t rank : {0u, 1u}) {
    auto stream = client_->StreamBatches(AssignedSteps(run.uid(), epoch, rank, 2));
    while (true) {
      ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
      if (batch == nullptr) break;
      EXPECT_THAT(batch->indices(), SizeIs(50));
      EXPECT_EQ(batch->global_samples(), 100u);
      seen.insert(batch->indices().begin(), batch->indices().end());
    }
  }
  EXPECT_EQ(seen.size(), kSamples);
  EXPECT_EQ(std::set<uint64_t>(seen.begin(), seen.end()).size(), kSamples);
}

TEST_F(RealServerTest, TheStreamAndTheUnaryCallGiveTheSame) {
  const v1::Run run = MakeRun("importance");
  const v1::Epoch epoch = Open(run.uid(), 0);
  auto stream = client_->StreamBatches(ConsecutivePositions(run.uid(), epoch, 300, 9'000));
  for (uint64_t position = 9'000; position < kSamples; position += 300) {
    v1::GetBatchRequest request;
    request.set_run_uid(run.uid());
    request.mutable_positions()->set_position(position);
    request.mutable_positions()->set_batch_size(300);
    ASSERT_OK_AND_ASSIGN(v1::Batch unary, client_->GetBatch(request));
    BatchView decoded;
    ASSERT_OK(decoded.Decode(unary));
    ASSERT_OK_AND_ASSIGN(const BatchView* streamed, stream->Next());
    ASSERT_NE(streamed, nullptr);
    EXPECT_EQ(streamed->indices(), decoded.indices());
    EXPECT_EQ(streamed->WeightVector(), decoded.WeightVector());
  }
  EXPECT_THAT(stream->Next(), IsOkAndHolds(nullptr));
}

TEST_F(RealServerTest, ReportedLossesDecideTheNextEpoch) {
  const v1::Run run = MakeRun("importance");
  const v1::Epoch first = Open(run.uid(), 0);
  ASSERT_OK_AND_ASSIGN(auto feedback, client_->OpenFeedback(run.uid()));
  auto stream = client_->StreamBatches(AssignedSteps(run.uid(), first));
  uint64_t reported = 0;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    if (batch == nullptr) break;
    std::vector<float> loss;  // class 7 is the hard one
    for (uint64_t index : batch->indices()) loss.push_back(index % 10 == 7 ? 9.f : 0.f);
    ASSERT_OK_AND_ASSIGN(v1::Feedback report, LossFeedback(*batch, batch->step(), loss));
    ASSERT_OK_AND_ASSIGN(auto answer, feedback->Report({report}));
    reported += answer.applied_items();
  }
  EXPECT_EQ(reported, first.num_positions());
  const v1::Epoch second = Open(run.uid(), 1);
  EXPECT_EQ(second.opened(), v1::Epoch::FEEDBACK_COMPLETE);
  auto hard = client_->StreamBatches(AssignedSteps(run.uid(), second));
  uint64_t drawn = 0, of_class_7 = 0;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, hard->Next());
    if (batch == nullptr) break;
    for (size_t i = 0; i < batch->size(); ++i) {
      ++drawn;
      of_class_7 += batch->indices()[i] % 10 == 7;
    }
  }
  // Samples never drawn in the first epoch (e^-1 of them) take the mean score; the others of class
  // 7 have all the rest. Far more than the tenth of a uniform draw: a deterministic draw, fixed
  // seed.
  EXPECT_GT(static_cast<double>(of_class_7) / drawn, 0.5);
}

TEST_F(RealServerTest, AStreamSurvivesAKilledServer) {
  const v1::Run run = MakeRun("uniform");
  const v1::Epoch epoch = Open(run.uid(), 0);
  auto stream = client_->StreamBatches(AssignedSteps(run.uid(), epoch));
  std::set<uint64_t> seen;
  uint64_t next_step = 0;
  while (true) {
    if (next_step == 40) {
      Kill();
      Restart();
    }
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next(absl::Minutes(1)));
    if (batch == nullptr) break;
    EXPECT_EQ(batch->step(), next_step++);
    seen.insert(batch->indices().begin(), batch->indices().end());
  }
  EXPECT_EQ(next_step, 100u);
  EXPECT_THAT(seen, SizeIs(kSamples)) << "the plan of the epoch is the same after the restart";
}

TEST_F(RealServerTest, UniformBatchesFillInUntilAKilledServerIsBack) {
  const v1::Run run = MakeRun("uniform");
  const auto make = [&](OnOutage on_outage) {
    BatchSamplerOptions options;
    options.in_flight = 1;
    options.on_outage = on_outage;
    if (on_outage == OnOutage::kUniform) options.patience = absl::Seconds(5);
    return *client_->MakeBatchSampler(run, options);
  };
  std::vector<std::vector<uint64_t>> expected;
  const auto undisturbed = make(OnOutage::kWait);
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, undisturbed->Next());
    if (batch == nullptr) break;
    expected.emplace_back(batch->indices().begin(), batch->indices().end());
  }
  const auto batches = make(OnOutage::kUniform);
  uint64_t step = 0, local = 0;
  bool last_is_local = false;
  const auto next = [&]() -> bool {
    const auto batch = batches->Next();
    EXPECT_OK(batch);
    if (!batch.ok() || *batch == nullptr) return false;
    EXPECT_EQ((*batch)->step(), step);
    last_is_local = (*batch)->fallback();
    local += last_is_local;
    const bool same = (*batch)->indices() == absl::MakeConstSpan(expected[step++]);
    EXPECT_NE(same, last_is_local);
    return true;
  };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(next());
  EXPECT_EQ(local, 0u);
  Kill();
  while (step < 40) ASSERT_TRUE(next());
  EXPECT_GT(local, 20u) << "what had arrived before is given out";
  Restart();
  EXPECT_THAT(client_->CheckHealth("", absl::Minutes(1)), IsOkAndHolds(true));
  while (next()) {
    // A busy machine may be asked again after a pause: as long as these steps take.
    if (last_is_local) absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(step, 100u);
  EXPECT_FALSE(last_is_local) << "the server's again";
  EXPECT_EQ(batches->fallback_batches(), local);
}

// With its own settings but for the number of attempts: long enough for the channel's backoff to
// have grown as far as it does.
TEST_F(RealServerTest, AnIdleClientFindsAServerThatWasAwayForLong) {
  const v1::Run run = MakeRun("uniform");
  ClientOptions options;
  options.retry.max_attempts = 10'000;
  ASSERT_OK_AND_ASSIGN(const auto client, Client::Connect(server_->grpc_address(), options));
  v1::GetRunRequest request;
  request.set_name("r");
  ASSERT_OK(client->GetRun(request));
  Kill();
  // UNAVAILABLE, or its time is over while it waits to try again.
  EXPECT_FALSE(client->GetRun(request, absl::Seconds(4)).ok());
  Restart();
  const absl::Time back = absl::Now();
  ASSERT_OK_AND_ASSIGN(const v1::Run again, client->GetRun(request));
  RecordProperty("milliseconds_to_notice",
                 static_cast<int>(absl::ToInt64Milliseconds(absl::Now() - back)));
  EXPECT_EQ(again.uid(), run.uid());
}

TEST_F(RealServerTest, ALeasedEpochSurvivesADeadWorkerAndAKilledServer) {
  const v1::Run run = MakeRun("uniform");
  ASSERT_OK_AND_ASSIGN(auto feedback, client_->OpenFeedback(run.uid()));
  const auto blocks = [&](const std::string& worker) {
    return client_->StreamBatches(LeasedBlocks(run.uid(), 0, worker, absl::Milliseconds(500)));
  };
  {
    auto dying = blocks("dying");
    for (int i = 0; i < 3; ++i) ASSERT_OK(dying->Next());
  }
  auto stream = blocks("steady");
  std::multiset<uint64_t> acknowledged;
  for (uint64_t batches = 0;; ++batches) {
    if (batches == 40) {
      Kill();
      Restart();
    }
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next(absl::Minutes(1)));
    if (batch == nullptr) break;
    ASSERT_NE(batch->lease(), nullptr);
    ASSERT_OK_AND_ASSIGN(
        const v1::Feedback report,
        LossFeedback(*batch, batches, std::vector<float>(batch->size(), 1.0f), "steady"));
    const auto answer = feedback->Report({report});
    if (!answer.ok()) {
      EXPECT_THAT(answer, ReasonIs("LEASE_EXPIRED"));  // this machine was slow
    } else if (answer->applied_items() > 0) {
      acknowledged.insert(batch->indices().begin(), batch->indices().end());
    }
  }
  EXPECT_THAT(acknowledged, SizeIs(kSamples));
  EXPECT_THAT(std::set<uint64_t>(acknowledged.begin(), acknowledged.end()), SizeIs(kSamples));
  EXPECT_THAT(stream->Next(), IsOkAndHolds(nullptr)) << "the epoch stays over";
}

TEST_F(RealServerTest, ARollbackReturnsWhatACheckpointDoesNotHave) {
  const v1::Run run = MakeRun("uniform");
  const v1::Epoch epoch = Open(run.uid(), 0);
  v1::AcknowledgeRequest request;
  request.set_run_uid(run.uid());
  request.add_acknowledgements()->set_num_positions(100);
  EXPECT_EQ(client_->Acknowledge(request)->acknowledged_positions(), 100u);
  v1::CommitRequest commit;
  commit.set_run_uid(run.uid());
  commit.set_checkpoint_id("step-1");
  EXPECT_EQ(client_->Commit(commit)->acknowledged_positions(), 100u);
  request.mutable_acknowledgements(0)->set_position(100);
  ASSERT_OK(client_->Acknowledge(request));
  v1::RollbackRequest rollback;
  rollback.set_run_uid(run.uid());
  rollback.set_checkpoint_id("step-1");
  rollback.set_generation(0);
  EXPECT_EQ(client_->Rollback(rollback)->returned_positions(), 100u);
  EXPECT_TRUE(client_->Rollback(rollback)->duplicate());
  request.mutable_acknowledgements(0)->set_generation(0);
  EXPECT_THAT(client_->Acknowledge(request), ReasonIs("GENERATION_PASSED"));
  v1::ReleaseParkedRequest release;
  release.set_run_uid(run.uid());
  EXPECT_EQ(client_->ReleaseParked(release)->released_positions(), 0u);
  v1::ListLeasesRequest list;
  list.set_run_uid(run.uid());
  EXPECT_EQ(client_->ListLeases(list)->num_leased(), 0u);
  v1::RenewLeasesRequest renew;
  renew.set_run_uid(run.uid());
  renew.set_worker("w");
  EXPECT_EQ(client_->RenewLeases(renew)->expires_in().seconds(), 60);
}

TEST_F(RealServerTest, TheHardestOfAPoolAreSelectedAndTheirPlacesNamed) {
  const v1::Run run = MakeRun("ohem");
  Open(run.uid(), 0);
  v1::GetBatchRequest address;
  address.set_run_uid(run.uid());
  address.mutable_assigned()->set_step(3);
  address.mutable_assigned()->set_rank(1);
  address.mutable_assigned()->set_world_size(2);
  BatchView pool;
  ASSERT_OK(pool.Decode(*client_->GetBatch(address)));
  ASSERT_EQ(pool.size(), 50u);
  std::vector<float> scores;
  for (const uint64_t index : pool.indices()) scores.push_back(static_cast<float>(index));
  v1::SelectRequest request = SelectFrom(address, scores);
  request.mutable_rule()->set_kind(v1::SelectRule::TOP);
  request.mutable_rule()->set_count(10);
  BatchView chosen;
  ASSERT_OK(chosen.Decode(*client_->Select(request)));
  std::vector<uint64_t> largest(pool.indices().begin(), pool.indices().end());
  std::sort(largest.rbegin(), largest.rend());
  largest.resize(10);
  EXPECT_THAT(chosen.indices(), UnorderedElementsAreArray(largest));
  for (size_t i = 0; i < chosen.size(); ++i) {
    EXPECT_EQ(pool.indices()[chosen.places()[i]], chosen.indices()[i]);
  }
  EXPECT_EQ(chosen.pool_samples(), 50u);
  EXPECT_EQ(chosen.step(), 3u);
  EXPECT_EQ(chosen.global_samples(), 100u);
  // Without a rule: the sampler's.
  request.clear_rule();
  ASSERT_OK(chosen.Decode(*client_->Select(request)));
  EXPECT_EQ(pool.indices()[chosen.places()[0]], chosen.indices()[0]);
  scores.pop_back();
  EXPECT_THAT(client_->Select(SelectFrom(address, scores)), FieldIs("scores"));
}

TEST_F(RealServerTest, ABagAndWhatItLeavesOutAreTheDataset) {
  const v1::Run run = MakeRun("bootstrap");
  v1::GetOutOfBagRequest request;
  request.set_run_uid(run.uid());
  request.set_page_size(1000);
  EXPECT_THAT(client_->GetOutOfBag(request), ReasonIs("EPOCH_NOT_OPEN"));
  const v1::Epoch epoch = Open(run.uid(), 0);
  std::set<uint64_t> inside;
  auto stream = client_->StreamBatches(AssignedSteps(run.uid(), epoch));
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    if (batch == nullptr) break;
    inside.insert(batch->indices().begin(), batch->indices().end());
  }
  std::vector<uint32_t> outside;
  do {
    ASSERT_OK_AND_ASSIGN(const v1::GetOutOfBagResponse page, client_->GetOutOfBag(request));
    ASSERT_EQ(page.index_width(), 4u);
    EXPECT_EQ(page.num_left_out(), kSamples - inside.size());
    std::vector<uint32_t> indices(page.indices().size() / 4);
    std::memcpy(indices.data(), page.indices().data(), page.indices().size());
    outside.insert(outside.end(), indices.begin(), indices.end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(outside.size(), kSamples - inside.size());
  EXPECT_TRUE(std::is_sorted(outside.begin(), outside.end()));
  for (const uint32_t index : outside) EXPECT_EQ(inside.count(index), 0u) << index;
}

TEST_F(RealServerTest, AnEpochOfOnesOwnIsServedAsItWasProvided) {
  MakeRun("uniform");
  v1::CreateSamplerRequest sampler;
  sampler.set_name("d/own");
  sampler.mutable_spec()->mutable_draw()->set_kind(v1::Draw::PROVIDED);
  ASSERT_OK(client_->CreateSampler(sampler));
  v1::CreateRunRequest job;
  job.set_name("own");
  job.set_sampler("d/own");
  job.set_global_batch_size(1000);
  ASSERT_OK_AND_ASSIGN(const v1::Run run, client_->CreateRun(job));
  std::vector<uint32_t> indices(100'000);  // two chunks
  for (size_t i = 0; i < indices.size(); ++i)
    indices[i] = static_cast<uint32_t>(i * 7919 % kSamples);
  const std::vector<double> expected(indices.size(), 10);
  ProvidedEpoch own;
  own.run_uid = run.uid();
  own.epoch = 4;
  own.indices = indices;
  own.expected = expected;
  ASSERT_OK_AND_ASSIGN(const v1::Epoch epoch, client_->ProvideEpoch(own));
  EXPECT_EQ(epoch.num_positions(), indices.size());
  EXPECT_EQ(client_->ProvideEpoch(own)->open_time().seconds(), epoch.open_time().seconds());
  std::vector<uint64_t> served;
  auto stream = client_->StreamBatches(AssignedSteps(run.uid(), epoch));
  while (true) {
    ASSERT_OK_AND_ASSIGN(const BatchView* batch, stream->Next());
    if (batch == nullptr) break;
    EXPECT_EQ(batch->weight(0), 1);
    served.insert(served.end(), batch->indices().begin(), batch->indices().end());
  }
  EXPECT_EQ(served, std::vector<uint64_t>(indices.begin(), indices.end()));
  own.expected = {};
  EXPECT_THAT(client_->ProvideEpoch(own), StatusIs(absl::StatusCode::kAlreadyExists));
  own.expected = absl::MakeConstSpan(expected).first(3);
  EXPECT_THAT(client_->ProvideEpoch(own), FieldIs("expected"));
  own.epoch = 5;
  own.expected = {};
  indices[99'999] = kSamples;
  EXPECT_THAT(client_->ProvideEpoch(own), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RealServerTest, ErrorsNameFieldAndReason) {
  const v1::Run run = MakeRun("uniform");
  v1::GetBatchRequest request;
  request.set_run_uid(run.uid());
  request.mutable_positions()->set_batch_size(0);
  const auto refused = client_->GetBatch(request);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(ErrorField(refused.status()).has_value()) << refused.status();
  request.mutable_positions()->set_batch_size(1);
  request.mutable_positions()->set_position(kSamples);
  EXPECT_THAT(client_->GetBatch(request),
              AllOf(StatusIs(absl::StatusCode::kOutOfRange), ReasonIs("EPOCH_END")));
  EXPECT_THAT(client_->CheckHealth(""), IsOkAndHolds(true));
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << "drains and exits with 0";
}

}  // namespace
}  // namespace subset
