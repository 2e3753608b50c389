#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/client/fake_services.h"

namespace subset {
namespace {

class FakeHealthService final : public grpc::health::v1::Health::Service {
 public:
  explicit FakeHealthService(FakeState* state) : state_(state) {}

  grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                     grpc::health::v1::HealthCheckResponse* response) override {
    MutexLock lock(&state_->mu);
    if (grpc::Status failure = state_->Arrive("Check"); !failure.ok()) return failure;
    if (request->service() == "unknown") return grpc::Status(grpc::StatusCode::NOT_FOUND, "");
    response->set_status(state_->serving ? grpc::health::v1::HealthCheckResponse::SERVING
                                         : grpc::health::v1::HealthCheckResponse::NOT_SERVING);
    return grpc::Status::OK;
  }

 private:
  FakeState* const state_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewFakeHealthService(FakeState* state) {
  return std::make_unique<FakeHealthService>(state);
}

}  // namespace subset
