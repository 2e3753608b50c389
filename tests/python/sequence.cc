// Prints the batches that the C++ client gives, one line each, for test_golden.py, which compares
// them with the Python client's.
//
//   client_sequence ADDRESS RUN EPOCH share RANK WORLD_SIZE
//   client_sequence ADDRESS RUN EPOCH positions BATCH_SIZE
//   client_sequence ADDRESS RUN EPOCH leased WORKER           acknowledges what it prints

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
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

absl::Status Run(int count, char** words) {
  if (count < 6) return absl::InvalidArgumentError("see the head of this file");
  SUBSET_ASSIGN_OR_RETURN(const auto client, Client::Connect(words[1]));
  v1::GetRunRequest get;
  get.set_name(words[2]);
  SUBSET_ASSIGN_OR_RETURN(const v1::Run run, client->GetRun(get));
  v1::OpenEpochRequest open;
  open.set_run_uid(run.uid());
  open.set_epoch(std::strtoull(words[3], nullptr, 10));
  SUBSET_ASSIGN_OR_RETURN(const v1::Epoch epoch, client->OpenEpoch(open));
  const std::string kind = words[4];
  const auto number = [words](int i) {
    return static_cast<uint32_t>(std::strtoul(words[i], nullptr, 10));
  };
  BatchStreamOptions options;
  AddressSource source;
  if (kind == "share" && count == 7) {
    source = AssignedSteps(run.uid(), epoch, number(5), number(6));
  } else if (kind == "positions") {
    source = ConsecutivePositions(run.uid(), epoch, number(5));
  } else {
    source = LeasedBlocks(run.uid(), epoch.epoch(), words[5]);
    options.in_flight = 1;
  }
  const auto batches = client->StreamBatches(std::move(source), options);
  while (true) {
    SUBSET_ASSIGN_OR_RETURN(const BatchView* batch, batches->Next());
    if (batch == nullptr) return absl::OkStatus();
    Print(*batch);
    if (batch->lease() != nullptr) {
      SUBSET_RETURN_IF_ERROR(Acknowledge(*client, run.uid(), words[5], *batch));
    }
  }
}

}  // namespace
}  // namespace subset

int main(int count, char** words) {
  const absl::Status status = subset::Run(count, words);
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}
