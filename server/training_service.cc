#include "server/training_service.h"

#include <google/protobuf/descriptor.h>

#include "server/batch_draw.h"
#include "server/upload_stream.h"

namespace subset {

TrainingService::TrainingService(const ServiceParts& parts) : parts_(parts) {
  // As the generated code does it, but for the reply, which BatchStream serializes itself.
  const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      "subset.v1.TrainingService.StreamBatches");
  MarkMethodCallback(method->index(),
                     new grpc::internal::CallbackBidiHandler<v1::GetBatchRequest, grpc::ByteBuffer>(
                         [this](grpc::CallbackServerContext* context) {
                           return new BatchStream(parts_, &streams_,
                                                  context);  // deletes itself after the call
                         }));
}

grpc::ServerUnaryReactor* TrainingService::CreateRun(grpc::CallbackServerContext* context,
                                                     const v1::CreateRunRequest* request,
                                                     v1::Run* reply) {
  return AnswerLater(parts_, Method::kCreateRun, context, reply,
                     [&](auto done) { parts_.engine->CreateRun(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::GetRun(grpc::CallbackServerContext* context,
                                                  const v1::GetRunRequest* request,
                                                  v1::Run* reply) {
  return Answer(parts_, Method::kGetRun, context, reply,
                [&] { return parts_.engine->GetRun(*request); });
}

grpc::ServerUnaryReactor* TrainingService::ListRuns(grpc::CallbackServerContext* context,
                                                    const v1::ListRunsRequest* request,
                                                    v1::ListRunsResponse* reply) {
  return Answer(parts_, Method::kListRuns, context, reply,
                [&] { return parts_.engine->ListRuns(*request); });
}

grpc::ServerUnaryReactor* TrainingService::DeleteRun(grpc::CallbackServerContext* context,
                                                     const v1::DeleteRunRequest* request,
                                                     v1::DeleteRunResponse* reply) {
  return AnswerLater(parts_, Method::kDeleteRun, context, reply,
                     [&](auto done) { parts_.engine->DeleteRun(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::OpenEpoch(grpc::CallbackServerContext* context,
                                                     const v1::OpenEpochRequest* request,
                                                     v1::Epoch* reply) {
  return AnswerLater(parts_, Method::kOpenEpoch, context, reply, [&](auto done) {
    parts_.engine->OpenEpoch(*request, CancelledBy(context), std::move(done));
  });
}

grpc::ServerReadReactor<v1::ProvideEpochRequest>* TrainingService::ProvideEpoch(
    grpc::CallbackServerContext* context, v1::Epoch* reply) {
  return new UploadStream<v1::ProvideEpochRequest, v1::Epoch>(  // deletes itself when it is over
      parts_, Method::kProvideEpoch, context, reply,
      [this](const auto& header) { return parts_.engine->StartProvide(header); });
}

grpc::ServerUnaryReactor* TrainingService::Select(grpc::CallbackServerContext* context,
                                                  const v1::SelectRequest* request,
                                                  v1::Batch* reply) {
  return AnswerLater(parts_, Method::kSelect, context, reply, [&](auto done) {
    parts_.engine->Select(*request, CancelledBy(context), std::move(done));
  });
}

grpc::ServerUnaryReactor* TrainingService::GetOutOfBag(grpc::CallbackServerContext* context,
                                                       const v1::GetOutOfBagRequest* request,
                                                       v1::GetOutOfBagResponse* reply) {
  return AnswerLater(parts_, Method::kGetOutOfBag, context, reply,
                     [&](auto done) { parts_.engine->GetOutOfBag(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::GetBatch(grpc::CallbackServerContext* context,
                                                    const v1::GetBatchRequest* request,
                                                    v1::Batch* reply) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Rpc rpc(parts_, Method::kGetBatch);
  rpc.metrics().Received();
  if (absl::Status admitted = rpc.Admit(*context); !admitted.ok()) {
    reactor->Finish(rpc.End(admitted));
    return reactor;
  }
  DrawBatch(parts_, *request, reply, CancelledBy(context),
            [reactor, rpc](absl::Status status) mutable {
              if (status.ok()) rpc.metrics().Sent();
              reactor->Finish(rpc.End(status));
            });
  return reactor;
}

grpc::ServerUnaryReactor* TrainingService::OpenSession(grpc::CallbackServerContext* context,
                                                       const v1::OpenSessionRequest* request,
                                                       v1::OpenSessionResponse* reply) {
  return AnswerLater(parts_, Method::kOpenSession, context, reply,
                     [&](auto done) { parts_.engine->OpenSession(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::ReportFeedback(grpc::CallbackServerContext* context,
                                                          const v1::ReportFeedbackRequest* request,
                                                          v1::ReportFeedbackResponse* reply) {
  return AnswerLater(parts_, Method::kReportFeedback, context, reply, [&](auto done) {
    const absl::Duration start = parts_.clock->Monotonic();
    parts_.engine->ReportFeedback(
        *request, [this, request, start, done = std::move(done)](
                      absl::StatusOr<v1::ReportFeedbackResponse> result) mutable {
          if (result.ok()) {
            parts_.metrics->Acknowledged(result->durability(), parts_.clock->Monotonic() - start);
          } else if (absl::IsInvalidArgument(result.status())) {
            parts_.metrics->RefusedFeedback(*request);
          }
          done(std::move(result));
        });
  });
}

grpc::ServerUnaryReactor* TrainingService::Acknowledge(grpc::CallbackServerContext* context,
                                                       const v1::AcknowledgeRequest* request,
                                                       v1::AcknowledgeResponse* reply) {
  return AnswerLater(parts_, Method::kAcknowledge, context, reply,
                     [&](auto done) { parts_.engine->Acknowledge(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::RenewLeases(grpc::CallbackServerContext* context,
                                                       const v1::RenewLeasesRequest* request,
                                                       v1::RenewLeasesResponse* reply) {
  return Answer(parts_, Method::kRenewLeases, context, reply,
                [&] { return parts_.engine->RenewLeases(*request); });
}

grpc::ServerUnaryReactor* TrainingService::ListLeases(grpc::CallbackServerContext* context,
                                                      const v1::ListLeasesRequest* request,
                                                      v1::ListLeasesResponse* reply) {
  return Answer(parts_, Method::kListLeases, context, reply,
                [&] { return parts_.engine->ListLeases(*request); });
}

grpc::ServerUnaryReactor* TrainingService::ReleaseParked(grpc::CallbackServerContext* context,
                                                         const v1::ReleaseParkedRequest* request,
                                                         v1::ReleaseParkedResponse* reply) {
  return AnswerLater(parts_, Method::kReleaseParked, context, reply,
                     [&](auto done) { parts_.engine->ReleaseParked(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::Commit(grpc::CallbackServerContext* context,
                                                  const v1::CommitRequest* request,
                                                  v1::Checkpoint* reply) {
  return AnswerLater(parts_, Method::kCommit, context, reply,
                     [&](auto done) { parts_.engine->Commit(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* TrainingService::Rollback(grpc::CallbackServerContext* context,
                                                    const v1::RollbackRequest* request,
                                                    v1::RollbackResponse* reply) {
  return AnswerLater(parts_, Method::kRollback, context, reply,
                     [&](auto done) { parts_.engine->Rollback(*request, std::move(done)); });
}

}  // namespace subset
