// subset.v1.SamplerService over the engine.

#ifndef SUBSET_SERVER_SAMPLER_SERVICE_H_
#define SUBSET_SERVER_SAMPLER_SERVICE_H_

#include "server/rpc.h"
#include "subset/v1/sampler.grpc.pb.h"

namespace subset {

// Thread-safe. Handlers never wait.
class SamplerService final : public v1::SamplerService::CallbackService {
 public:
  explicit SamplerService(const ServiceParts& parts) : parts_(parts) {}

  grpc::ServerUnaryReactor* CreateSampler(grpc::CallbackServerContext* context,
                                          const v1::CreateSamplerRequest* request,
                                          v1::Sampler* reply) override;
  grpc::ServerUnaryReactor* UpdateSampler(grpc::CallbackServerContext* context,
                                          const v1::UpdateSamplerRequest* request,
                                          v1::Sampler* reply) override;
  grpc::ServerUnaryReactor* GetSampler(grpc::CallbackServerContext* context,
                                       const v1::GetSamplerRequest* request,
                                       v1::Sampler* reply) override;
  grpc::ServerUnaryReactor* ListSamplers(grpc::CallbackServerContext* context,
                                         const v1::ListSamplersRequest* request,
                                         v1::ListSamplersResponse* reply) override;
  grpc::ServerUnaryReactor* DeleteSampler(grpc::CallbackServerContext* context,
                                          const v1::DeleteSamplerRequest* request,
                                          v1::DeleteSamplerResponse* reply) override;
  grpc::ServerUnaryReactor* ListPresets(grpc::CallbackServerContext* context,
                                        const v1::ListPresetsRequest* request,
                                        v1::ListPresetsResponse* reply) override;
  grpc::ServerUnaryReactor* PreviewSampler(grpc::CallbackServerContext* context,
                                           const v1::PreviewSamplerRequest* request,
                                           v1::PreviewSamplerResponse* reply) override;
  grpc::ServerUnaryReactor* ExplainSample(grpc::CallbackServerContext* context,
                                          const v1::ExplainSampleRequest* request,
                                          v1::ExplainSampleResponse* reply) override;

 private:
  // Constant after construction.
  const ServiceParts parts_;
};

}  // namespace subset

#endif  // SUBSET_SERVER_SAMPLER_SERVICE_H_
