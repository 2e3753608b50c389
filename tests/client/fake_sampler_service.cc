#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "subset/v1/sampler.grpc.pb.h"
#include "tests/client/detailed_error.h"
#include "tests/client/fake_method.h"
#include "tests/client/fake_services.h"

namespace subset {
namespace {

class FakeSamplerService final : public v1::SamplerService::Service {
 public:
  explicit FakeSamplerService(FakeState* state) : state_(state) {}

  SUBSET_FAKE_METHOD(CreateSampler, Sampler) { return Define(request, 1, response); }
  SUBSET_FAKE_METHOD(UpdateSampler, Sampler) {
    const auto found = state_->samplers.find(request.name());
    if (found == state_->samplers.end()) return NotFoundError("sampler", request.name());
    return Define(request, found->second.version() + 1, response);
  }
  SUBSET_FAKE_METHOD(GetSampler, Sampler) {
    return GetNamed(state_->samplers, "sampler", request.name(), response);
  }
  SUBSET_FAKE_METHOD(ListSamplers, ListSamplersResponse) {
    return ListAll(state_->samplers, [&] { return response->add_samplers(); });
  }
  SUBSET_FAKE_METHOD(DeleteSampler, DeleteSamplerResponse) {
    return DeleteNamed(state_->samplers, "sampler", request.name());
  }
  SUBSET_FAKE_METHOD(ListPresets, ListPresetsResponse) {
    v1::Preset* preset = response->add_presets();
    preset->set_name("importance");
    preset->set_source("Katharopoulos and Fleuret, 2018");
    preset->set_formula("q_i = (1-lambda) s_i^alpha / sum + lambda / N");
    preset->set_unbiased_for("natural mean, every batch");
    v1::PresetParameter* parameter = preset->add_parameters();
    parameter->set_name("alpha");
    parameter->set_default_value(1);
    parameter->set_range("(0, 16]");
    parameter->set_description("exponent of the score");
    parameter = preset->add_parameters();
    parameter->set_name("total_epochs");
    parameter->set_range("[1, 2^31)");
    parameter->set_description("length of the training");
    return grpc::Status::OK;
  }

 private:
  template <class Request>
  grpc::Status Define(const Request& request, uint64_t version, v1::Sampler* response)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    const std::map<std::string, double> parameters(request.preset().parameters().begin(),
                                                   request.preset().parameters().end());
    if (parameters.count("alpha") > 0 && parameters.at("alpha") > 16) {
      return DetailedError(
          grpc::StatusCode::INVALID_ARGUMENT,
          absl::StrCat("preset.parameters[alpha] ", parameters.at("alpha"), " is outside (0, 16]"),
          "preset.parameters[alpha]", "INVALID_FIELD");
    }
    v1::Sampler sampler;
    sampler.set_name(request.name());
    sampler.set_uid(8);
    sampler.set_dataset_uid(7);
    sampler.set_version(version);
    *sampler.mutable_spec() = request.spec();
    if (request.has_preset()) {
      sampler.set_preset(request.preset().name());
      auto* power = sampler.mutable_spec()->mutable_preference()->mutable_score_power();
      power->set_score("loss");
      power->set_alpha(parameters.count("alpha") > 0 ? parameters.at("alpha") : 1);
    }
    *sampler.mutable_create_time() = FixedTime();
    state_->samplers[request.name()] = sampler;
    *response = sampler;
    return grpc::Status::OK;
  }

  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewFakeSamplerService(FakeState* state) {
  return std::make_unique<FakeSamplerService>(state);
}

}  // namespace subset
