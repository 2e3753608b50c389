// CPU per batch of leased delivery against assigned delivery, server and client together: streamed
// batches, alone, acknowledged one by one, and reported with a loss per sample, in the same run.
//
//   bench_leases [--json FILE] [--rounds N] [--batches N]
//
// Rounds are interleaved; figures are medians over the rounds, and a ratio is the median of the
// rounds' ratios.

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/figures.h"
#include "bench/served/child_server.h"
#include "bench/served/subset_server.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset::bench {
namespace {

constexpr uint32_t kBatch = 256;
constexpr uint64_t kAhead = 8;

enum class Way { kDraw, kAcknowledge, kReport };
constexpr const char* kWayNames[] = {"draw", "draw, acknowledge", "draw, report"};

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "bench_leases: %s\n", what.c_str());
  std::exit(1);
}

void OrDie(const grpc::Status& status) {
  if (!status.ok()) Fail(status.error_message());
}

// One run with one kind of delivery; every round is an epoch.
class Trainer {
 public:
  Trainer(ChildServer* server, const std::string& name, bool leased)
      : server_(server),
        leased_(leased),
        run_uid_(CreateRun(server->address(), name, kBatch)),
        stub_(v1::TrainingService::NewStub(
            grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials()))) {
    grpc::ClientContext context;
    v1::OpenSessionRequest request;
    v1::OpenSessionResponse response;
    request.set_run_uid(run_uid_);
    OrDie(stub_->OpenSession(&context, request, &response));
    session_ = response.session_id();
  }

  // Returns the CPU time per batch of both processes, in microseconds.
  double Round(Way way, uint64_t batches) {
    OpenEpoch();
    const double before = server_->CpuSeconds() + OwnCpuSeconds();
    grpc::ClientContext context;
    auto stream = stub_->StreamBatches(&context);
    for (uint64_t i = 0; i < kAhead; ++i) stream->Write(Request(i));
    v1::Batch batch;
    for (uint64_t i = 0; i < batches; ++i) {
      if (!stream->Read(&batch)) Fail(stream->Finish().error_message());
      if (batch.indices().size() != kBatch * sizeof(uint32_t)) Fail("a batch of the wrong size");
      if (i + kAhead < batches) stream->Write(Request(i + kAhead));
      if (way == Way::kAcknowledge) Acknowledge(batch);
      if (way == Way::kReport) Report(batch);
    }
    stream->WritesDone();
    OrDie(stream->Finish());
    const double after = server_->CpuSeconds() + OwnCpuSeconds();
    ++epoch_;
    return (after - before) * 1e6 / static_cast<double>(batches);
  }

 private:
  void OpenEpoch() {
    grpc::ClientContext context;
    v1::OpenEpochRequest request;
    v1::Epoch epoch;
    request.set_run_uid(run_uid_);
    request.set_epoch(epoch_);
    OrDie(stub_->OpenEpoch(&context, request, &epoch));
  }
  v1::GetBatchRequest Request(uint64_t i) const {
    v1::GetBatchRequest request;
    request.set_run_uid(run_uid_);
    request.set_epoch(epoch_);
    if (leased_) {
      request.mutable_leased()->set_worker("worker-0");
    } else {
      request.mutable_assigned()->set_step(i);
      request.mutable_assigned()->set_world_size(1);
    }
    return request;
  }
  void Acknowledge(const v1::Batch& batch) {
    grpc::ClientContext context;
    v1::AcknowledgeRequest request;
    v1::AcknowledgeResponse response;
    request.set_run_uid(run_uid_);
    request.set_durability(v1::DURABILITY_APPLIED);
    v1::Acknowledgement* entry = request.add_acknowledgements();
    entry->set_epoch(epoch_);
    entry->set_position(batch.position());
    entry->set_num_positions(kBatch);
    if (leased_) {
      *entry->mutable_lease() = batch.lease();
      entry->set_worker("worker-0");
      entry->set_attempt(batch.attempt());
    }
    OrDie(stub_->Acknowledge(&context, request, &response));
    if (response.acknowledged_positions() != kBatch) Fail("a batch was not acknowledged");
  }
  void Report(const v1::Batch& batch) {
    grpc::ClientContext context;
    v1::ReportFeedbackRequest request;
    v1::ReportFeedbackResponse response;
    request.set_run_uid(run_uid_);
    request.set_session_id(session_);
    request.set_sequence(++sequence_);
    request.set_durability(v1::DURABILITY_APPLIED);
    v1::Feedback* entry = request.add_feedback();
    entry->set_epoch(epoch_);
    entry->set_position(batch.position());
    entry->set_indices(batch.indices());
    if (leased_) {
      *entry->mutable_lease() = batch.lease();
      entry->set_worker("worker-0");
      entry->set_attempt(batch.attempt());
    }
    v1::FloatColumn* loss = entry->add_values();
    loss->set_name("loss");
    loss->set_values(batch.indices());  // any bits that are finite and not negative
    OrDie(stub_->ReportFeedback(&context, request, &response));
    if (response.applied_items() != kBatch) Fail("a report was not applied");
  }

  ChildServer* const server_;
  const bool leased_;
  const uint64_t run_uid_;
  const std::unique_ptr<v1::TrainingService::Stub> stub_;
  uint64_t session_ = 0;
  uint64_t sequence_ = 0;
  uint64_t epoch_ = 0;
};

int Run(int argc, char** argv) {
  CLI::App app("CPU per batch of leased against assigned delivery.");
  std::string json;
  int rounds = 9;
  uint64_t batches = 4000;
  app.add_option("--json", json, "Write the rows to this file");
  app.add_option("--rounds", rounds, "Interleaved rounds")->check(CLI::PositiveNumber);
  app.add_option("--batches", batches, "Batches per round and way")->check(CLI::Range(8, 30000));
  CLI11_PARSE(app, argc, argv);

  ChildServer server([] { return StartSubsetServer(); });
  CreateUniformRun(server.address());
  Trainer assigned(&server, "assigned", false);
  Trainer leased(&server, "leased", true);
  constexpr size_t kWays = 3;
  std::vector<double> assigned_us[kWays], leased_us[kWays], ratios[kWays];
  for (int round = -1; round < rounds; ++round) {  // round -1 warms up
    for (size_t way = 0; way < kWays; ++way) {
      const uint64_t n = way == 0 ? batches : std::max<uint64_t>(batches / 4, kAhead);
      const double a = assigned.Round(static_cast<Way>(way), n);
      const double l = leased.Round(static_cast<Way>(way), n);
      if (round < 0) continue;
      assigned_us[way].push_back(a);
      leased_us[way].push_back(l);
      ratios[way].push_back(l / a);
    }
  }
  std::printf(
      "streamed uniform batches of %u, %llu ahead, %d rounds, medians\n\n"
      "                     CPU us per batch, server and client\n"
      "                       leased  assigned  ratio (min -max)\n",
      kBatch, static_cast<unsigned long long>(kAhead), rounds);
  std::vector<std::string> rows;
  for (size_t way = 0; way < kWays; ++way) {
    const double low = *std::min_element(ratios[way].begin(), ratios[way].end());
    const double high = *std::max_element(ratios[way].begin(), ratios[way].end());
    std::printf("%-18s %10.1f %9.1f %6.2f (%4.2f-%4.2f)\n", kWayNames[way], Median(leased_us[way]),
                Median(assigned_us[way]), Median(ratios[way]), low, high);
    rows.push_back(
        absl::StrFormat("{\"name\":\"%s\",\"batch\":%d,\"leased_cpu_us_per_batch\":%.2f,"
                        "\"assigned_cpu_us_per_batch\":%.2f,\"ratio\":%.4f,\"ratio_min\":%.4f,"
                        "\"ratio_max\":%.4f,\"rounds\":%d}",
                        kWayNames[way], kBatch, Median(leased_us[way]), Median(assigned_us[way]),
                        Median(ratios[way]), low, high, rounds));
  }
  WriteRows(json, "leases", rows);
  return 0;
}

}  // namespace
}  // namespace subset::bench

int main(int argc, char** argv) { return subset::bench::Run(argc, argv); }
