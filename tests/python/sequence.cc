// Prints the batches that the C++ client gives, one line each, for test_golden.py, which compares
// them with the Python client's. `client_sequence ADDRESS RUN` answers each line of its input by
// batches and a line "end":
//
//   EPOCH share RANK WORLD_SIZE
//   EPOCH positions BATCH_SIZE
//   EPOCH leased WORKER           acknowledges what it prints
//   EPOCH resume COUNT STATE      COUNT batches from where a state stood, then the state after them
//   EPOCH uniform STEP RANK WORLD_SIZE   as drawn here while a server is away

#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "client/cpp/uniform_batch.h"
#include "subset/client.h"

namespace subset {
namespace {

void Print(const BatchView& batch) {
  std::printf("step %" PRIu64 " position %" PRIu64 " padding %zu of %u:", batch.step(),
              batch.position(), batch.padding(), batch.global_samples());
  for (size_t i = 0; i < batch.size(); ++i) {
    std::printf(" %" PRIu64 "/%.17g/%.17g", batch.indices()[i], batch.probability(i),
                static_cast<double>(batch.weight(i)));
  }
  std::printf("\n");
}

absl::Status Acknowledge(Client& client, uint64_t run_uid, const std::string& worker,
                         const BatchView& batch) {
  v1::AcknowledgeRequest request;
  request.set_run_uid(run_uid);
  v1::Acknowledgement& entry = *request.add_acknowledgements();
  entry.set_epoch(batch.epoch());
  entry.set_position(batch.position());
  entry.set_num_positions(static_cast<uint32_t>(batch.size()));
  entry.set_worker(worker);
  entry.set_attempt(batch.attempt());
  *entry.mutable_lease() = *batch.lease();
  return client.Acknowledge(request).status();
}

absl::Status Resume(Client& client, const v1::Run& run, std::istream& question) {
  int count = 0;
  std::string state;
  question >> count;
  std::getline(question, state);
  SUBSET_ASSIGN_OR_RETURN(const auto batches, client.MakeBatchSampler(run));
  SUBSET_RETURN_IF_ERROR(batches->LoadState(state));
  for (int i = 0; i < count; ++i) {
    SUBSET_ASSIGN_OR_RETURN(const BatchView* batch, batches->Next());
    if (batch == nullptr) return absl::OutOfRangeError("the epoch is over");
    Print(*batch);
  }
  std::printf("%s\n", batches->State().c_str());
  return absl::OkStatus();
}

absl::Status Uniform(const v1::Run& run, const v1::Epoch& epoch, std::istream& question) {
  uint64_t step = 0;
  uint32_t rank = 0, world_size = 0;
  question >> step >> rank >> world_size;
  BatchView batch;
  SUBSET_RETURN_IF_ERROR(
      batch.Decode(client_internal::UniformBatch(run, epoch, step, rank, world_size)));
  Print(batch);
  return absl::OkStatus();
}

absl::Status Answer(Client& client, const v1::Run& run, std::istream& question) {
  const uint64_t run_uid = run.uid();
  v1::OpenEpochRequest open;
  open.set_run_uid(run_uid);
  uint64_t number = 0;
  std::string kind, worker;
  question >> number >> kind;
  open.set_epoch(number);
  SUBSET_ASSIGN_OR_RETURN(const v1::Epoch epoch, client.OpenEpoch(open));
  if (kind == "resume") return Resume(client, run, question);
  if (kind == "uniform") return Uniform(run, epoch, question);
  BatchStreamOptions options;
  AddressSource source;
  if (kind == "share") {
    uint32_t rank = 0, world_size = 0;
    question >> rank >> world_size;
    source = AssignedSteps(run_uid, epoch, rank, world_size);
  } else if (kind == "positions") {
    uint32_t batch_size = 0;
    question >> batch_size;
    source = ConsecutivePositions(run_uid, epoch, batch_size);
  } else {
    question >> worker;
    source = LeasedBlocks(run_uid, epoch.epoch(), worker);
    options.in_flight = 1;
  }
  const auto batches = client.StreamBatches(std::move(source), options);
  while (true) {
    SUBSET_ASSIGN_OR_RETURN(const BatchView* batch, batches->Next());
    if (batch == nullptr) return absl::OkStatus();
    Print(*batch);
    if (batch->lease() != nullptr) {
      SUBSET_RETURN_IF_ERROR(Acknowledge(client, run_uid, worker, *batch));
    }
  }
}

absl::Status Serve(const std::string& address, const std::string& name) {
  SUBSET_ASSIGN_OR_RETURN(const auto client, Client::Connect(address));
  v1::GetRunRequest get;
  get.set_name(name);
  SUBSET_ASSIGN_OR_RETURN(const v1::Run run, client->GetRun(get));
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream question(line);
    SUBSET_RETURN_IF_ERROR(Answer(*client, run, question));
    std::printf("end\n");
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace subset

int main(int count, char** words) {
  if (count != 3) return 2;
  const absl::Status status = subset::Serve(words[1], words[2]);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
