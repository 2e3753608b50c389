// subset.v1.TrainingService over the engine.

#ifndef SUBSET_SERVER_TRAINING_SERVICE_H_
#define SUBSET_SERVER_TRAINING_SERVICE_H_

#include "server/batch_stream.h"
#include "server/rpc.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset {

// Thread-safe. Handlers never wait.
class TrainingService final : public v1::TrainingService::CallbackService {
 public:
  explicit TrainingService(const ServiceParts& parts);

  // Ends every StreamBatches call, present and to come, with kUnavailable (reason DRAINING) once
  // the requests already read are answered. A client goes on elsewhere from there.
  void StopStreams() { streams_.Stop(); }

  grpc::ServerUnaryReactor* CreateRun(grpc::CallbackServerContext* context,
                                      const v1::CreateRunRequest* request, v1::Run* reply) override;
  grpc::ServerUnaryReactor* GetRun(grpc::CallbackServerContext* context,
                                   const v1::GetRunRequest* request, v1::Run* reply) override;
  grpc::ServerUnaryReactor* ListRuns(grpc::CallbackServerContext* context,
                                     const v1::ListRunsRequest* request,
                                     v1::ListRunsResponse* reply) override;
  grpc::ServerUnaryReactor* DeleteRun(grpc::CallbackServerContext* context,
                                      const v1::DeleteRunRequest* request,
                                      v1::DeleteRunResponse* reply) override;
  grpc::ServerUnaryReactor* OpenEpoch(grpc::CallbackServerContext* context,
                                      const v1::OpenEpochRequest* request,
                                      v1::Epoch* reply) override;
  grpc::ServerReadReactor<v1::ProvideEpochRequest>* ProvideEpoch(
      grpc::CallbackServerContext* context, v1::Epoch* reply) override;
  grpc::ServerUnaryReactor* Select(grpc::CallbackServerContext* context,
                                   const v1::SelectRequest* request, v1::Batch* reply) override;
  grpc::ServerUnaryReactor* GetOutOfBag(grpc::CallbackServerContext* context,
                                        const v1::GetOutOfBagRequest* request,
                                        v1::GetOutOfBagResponse* reply) override;
  grpc::ServerUnaryReactor* GetBatch(grpc::CallbackServerContext* context,
                                     const v1::GetBatchRequest* request, v1::Batch* reply) override;
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context,
                                        const v1::OpenSessionRequest* request,
                                        v1::OpenSessionResponse* reply) override;
  grpc::ServerUnaryReactor* ReportFeedback(grpc::CallbackServerContext* context,
                                           const v1::ReportFeedbackRequest* request,
                                           v1::ReportFeedbackResponse* reply) override;
  grpc::ServerUnaryReactor* Acknowledge(grpc::CallbackServerContext* context,
                                        const v1::AcknowledgeRequest* request,
                                        v1::AcknowledgeResponse* reply) override;
  grpc::ServerUnaryReactor* RenewLeases(grpc::CallbackServerContext* context,
                                        const v1::RenewLeasesRequest* request,
                                        v1::RenewLeasesResponse* reply) override;
  grpc::ServerUnaryReactor* ListLeases(grpc::CallbackServerContext* context,
                                       const v1::ListLeasesRequest* request,
                                       v1::ListLeasesResponse* reply) override;
  grpc::ServerUnaryReactor* ReleaseParked(grpc::CallbackServerContext* context,
                                          const v1::ReleaseParkedRequest* request,
                                          v1::ReleaseParkedResponse* reply) override;
  grpc::ServerUnaryReactor* Commit(grpc::CallbackServerContext* context,
                                   const v1::CommitRequest* request,
                                   v1::Checkpoint* reply) override;
  grpc::ServerUnaryReactor* Rollback(grpc::CallbackServerContext* context,
                                     const v1::RollbackRequest* request,
                                     v1::RollbackResponse* reply) override;

 private:
  // Constant after construction.
  const ServiceParts parts_;

  BatchStreams streams_;  // thread-safe
};

}  // namespace subset

#endif  // SUBSET_SERVER_TRAINING_SERVICE_H_
