// The API in memory, on a port of its own, with failures on demand.

#ifndef SUBSET_TESTS_CLIENT_FAKE_SERVER_H_
#define SUBSET_TESTS_CLIENT_FAKE_SERVER_H_

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "subset/v1/training.pb.h"

namespace subset {

struct FakeState;

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
  // Constant after construction; each is used by those below it.
  const std::unique_ptr<FakeState> state_;
  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_SERVER_H_
