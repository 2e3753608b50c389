// subset.v1.DatasetService over the engine.

#ifndef SUBSET_SERVER_DATASET_SERVICE_H_
#define SUBSET_SERVER_DATASET_SERVICE_H_

#include "server/rpc.h"
#include "subset/v1/dataset.grpc.pb.h"

namespace subset {

// Thread-safe. Handlers never wait.
class DatasetService final : public v1::DatasetService::CallbackService {
 public:
  explicit DatasetService(const ServiceParts& parts) : parts_(parts) {}

  grpc::ServerReadReactor<v1::ImportDatasetRequest>* ImportDataset(
      grpc::CallbackServerContext* context, v1::Dataset* reply) override;
  grpc::ServerUnaryReactor* GetDataset(grpc::CallbackServerContext* context,
                                       const v1::GetDatasetRequest* request,
                                       v1::Dataset* reply) override;
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* reply) override;
  grpc::ServerUnaryReactor* DeleteDataset(grpc::CallbackServerContext* context,
                                          const v1::DeleteDatasetRequest* request,
                                          v1::DeleteDatasetResponse* reply) override;

 private:
  // Constant after construction.
  const ServiceParts parts_;
};

}  // namespace subset

#endif  // SUBSET_SERVER_DATASET_SERVICE_H_
