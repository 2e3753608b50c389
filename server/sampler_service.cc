#include "server/sampler_service.h"

namespace subset {

grpc::ServerUnaryReactor* SamplerService::CreateSampler(grpc::CallbackServerContext* context,
                                                        const v1::CreateSamplerRequest* request,
                                                        v1::Sampler* reply) {
  return AnswerLater(parts_, Method::kCreateSampler, context, reply,
                     [&](auto done) { parts_.engine->CreateSampler(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* SamplerService::UpdateSampler(grpc::CallbackServerContext* context,
                                                        const v1::UpdateSamplerRequest* request,
                                                        v1::Sampler* reply) {
  return AnswerLater(parts_, Method::kUpdateSampler, context, reply,
                     [&](auto done) { parts_.engine->UpdateSampler(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* SamplerService::GetSampler(grpc::CallbackServerContext* context,
                                                     const v1::GetSamplerRequest* request,
                                                     v1::Sampler* reply) {
  return Answer(parts_, Method::kGetSampler, context, reply,
                [&] { return parts_.engine->GetSampler(*request); });
}

grpc::ServerUnaryReactor* SamplerService::ListSamplers(grpc::CallbackServerContext* context,
                                                       const v1::ListSamplersRequest* request,
                                                       v1::ListSamplersResponse* reply) {
  return Answer(parts_, Method::kListSamplers, context, reply,
                [&] { return parts_.engine->ListSamplers(*request); });
}

grpc::ServerUnaryReactor* SamplerService::DeleteSampler(grpc::CallbackServerContext* context,
                                                        const v1::DeleteSamplerRequest* request,
                                                        v1::DeleteSamplerResponse* reply) {
  return AnswerLater(parts_, Method::kDeleteSampler, context, reply,
                     [&](auto done) { parts_.engine->DeleteSampler(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* SamplerService::ListPresets(grpc::CallbackServerContext* context,
                                                      const v1::ListPresetsRequest*,
                                                      v1::ListPresetsResponse* reply) {
  return Answer(parts_, Method::kListPresets, context, reply,
                [&] { return parts_.engine->ListPresets(); });
}

grpc::ServerUnaryReactor* SamplerService::PreviewSampler(grpc::CallbackServerContext* context,
                                                         const v1::PreviewSamplerRequest* request,
                                                         v1::PreviewSamplerResponse* reply) {
  return AnswerLater(parts_, Method::kPreviewSampler, context, reply,
                     [&](auto done) { parts_.engine->PreviewSampler(*request, std::move(done)); });
}

grpc::ServerUnaryReactor* SamplerService::ExplainSample(grpc::CallbackServerContext* context,
                                                        const v1::ExplainSampleRequest* request,
                                                        v1::ExplainSampleResponse* reply) {
  return AnswerLater(parts_, Method::kExplainSample, context, reply,
                     [&](auto done) { parts_.engine->ExplainSample(*request, std::move(done)); });
}

}  // namespace subset
