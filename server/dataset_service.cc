#include "server/dataset_service.h"

#include "server/upload_stream.h"

namespace subset {

grpc::ServerReadReactor<v1::ImportDatasetRequest>* DatasetService::ImportDataset(
    grpc::CallbackServerContext* context, v1::Dataset* reply) {
  return new UploadStream<v1::ImportDatasetRequest, v1::Dataset>(  // deletes itself when it is over
      parts_, Method::kImportDataset, context, reply,
      [this](const auto& header) { return parts_.engine->StartImport(header); });
}

grpc::ServerUnaryReactor* DatasetService::GetDataset(grpc::CallbackServerContext* context,
                                                     const v1::GetDatasetRequest* request,
                                                     v1::Dataset* reply) {
  return Answer(parts_, Method::kGetDataset, context, reply,
                [&] { return parts_.engine->GetDataset(*request); });
}

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* request,
                                                       v1::ListDatasetsResponse* reply) {
  return Answer(parts_, Method::kListDatasets, context, reply,
                [&] { return parts_.engine->ListDatasets(*request); });
}

grpc::ServerUnaryReactor* DatasetService::DeleteDataset(grpc::CallbackServerContext* context,
                                                        const v1::DeleteDatasetRequest* request,
                                                        v1::DeleteDatasetResponse* reply) {
  return AnswerLater(parts_, Method::kDeleteDataset, context, reply,
                     [&](auto done) { parts_.engine->DeleteDataset(*request, std::move(done)); });
}

}  // namespace subset
