// One ImportDataset call: header, chunks, one commit.

#ifndef SUBSET_SERVER_IMPORT_STREAM_H_
#define SUBSET_SERVER_IMPORT_STREAM_H_

#include <memory>

#include "server/rpc.h"

namespace subset {


// Reads one message at a time: a slow engine slows the sender. A stream that breaks, or is refused,
// leaves nothing. Deletes itself when gRPC is done with it.
class ImportStream final : public grpc::ServerReadReactor<v1::ImportDatasetRequest> {
 public:
  ImportStream(const ServiceParts& parts, grpc::CallbackServerContext* context, v1::Dataset* reply);

  void OnReadDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  // Takes one message; an error ends the call.
  absl::Status Take(const v1::ImportDatasetRequest& message);
  void Commit();
  void End(const absl::Status& status);

  // Constant after construction.
  Engine* const engine_;
  grpc::CallbackServerContext* const context_;
  v1::Dataset* const reply_;

  // Used by one reaction at a time: gRPC never runs two reads of a call at once.
  Rpc rpc_;
  v1::ImportDatasetRequest message_;
  std::unique_ptr<DatasetImport> import_;  // null until the header
};

}  // namespace subset

#endif  // SUBSET_SERVER_IMPORT_STREAM_H_
