// The API in memory, on a port of its own, with failures on demand.

#ifndef SUBSET_TESTS_CLIENT_FAKE_SERVER_H_
#define SUBSET_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/server.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "subset/v1/dataset.grpc.pb.h"
#include "subset/v1/sampler.grpc.pb.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset {

// Returns what a server sends: the code, and the details that name field and reason.
grpc::Status DetailedError(grpc::StatusCode code, const std::string& message,
                           const std::string& field, const std::string& reason);

// The batch of `count` samples the fake gives at `position`: index i of the epoch is
// (7 i + epoch) % 100, probability 0.01, weight 0.5 for even indices and 2 for odd ones.
v1::Batch FakeBatch(uint64_t epoch, uint64_t position, uint32_t count);

// Thread-safe.
class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  std::string address() const;

  // The next calls of any method fail with these, one each, before they do anything. A stream
  // counts as one call.
  void FailNext(std::vector<grpc::Status> failures);
  // The k-th stream from now ends with `status` after `answers` batches.
  void EndStream(int answers, const grpc::Status& status);
  // Methods called so far, failed ones included, in order.
  std::vector<std::string> calls() const;
  // Batch addresses asked for on each stream so far, one for each batch,
  std::vector<std::vector<v1::GetBatchRequest>> streams() const;
  // and the messages that asked for them.
  size_t stream_requests() const;
  // Feedback requests that were applied (no duplicates).
  std::vector<v1::ReportFeedbackRequest> reports() const;
  // The bytes of an imported column.
  std::string column(const std::string& dataset, const std::string& name) const;
  // Sizes of the chunks of the last import.
  std::vector<size_t> chunk_sizes() const;
  void set_serving(bool serving);
  // The next streams answer nothing until Release().
  void Hold();
  void Release();

 private:
  class Datasets;
  class Samplers;
  class Training;
  class Health;
  struct State;

  const std::unique_ptr<State> state_;
  std::unique_ptr<Datasets> datasets_;
  std::unique_ptr<Samplers> samplers_;
  std::unique_ptr<Training> training_;
  std::unique_ptr<Health> health_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_SERVER_H_
