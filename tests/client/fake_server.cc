#include "tests/client/fake_server.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "tests/client/fake_services.h"

namespace subset {

FakeServer::FakeServer() : state_(std::make_unique<FakeState>()) {
  services_.push_back(NewFakeDatasetService(state_.get()));
  services_.push_back(NewFakeSamplerService(state_.get()));
  services_.push_back(NewFakeTrainingService(state_.get()));
  services_.push_back(NewFakeHealthService(state_.get()));
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
  SUBSET_CHECK(server_ != nullptr && port_ != 0);
}

FakeServer::~FakeServer() {
  Release();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
}

std::string FakeServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void FakeServer::FailNext(std::vector<grpc::Status> failures) {
  MutexLock lock(&state_->mu);
  state_->failures.assign(failures.begin(), failures.end());
}
void FakeServer::EndStream(int answers, const grpc::Status& status) {
  MutexLock lock(&state_->mu);
  state_->stream_ends.emplace_back(answers, status);
}
std::vector<std::string> FakeServer::calls() const {
  MutexLock lock(&state_->mu);
  return state_->calls;
}
size_t FakeServer::stream_requests() const {
  MutexLock lock(&state_->mu);
  return state_->stream_requests;
}

std::vector<std::vector<v1::GetBatchRequest>> FakeServer::streams() const {
  MutexLock lock(&state_->mu);
  return state_->streams;
}
std::vector<v1::ReportFeedbackRequest> FakeServer::reports() const {
  MutexLock lock(&state_->mu);
  return state_->reports;
}
std::string FakeServer::column(const std::string& dataset, const std::string& name) const {
  MutexLock lock(&state_->mu);
  const auto found = state_->columns.find(absl::StrCat(dataset, "/", name));
  return found == state_->columns.end() ? "" : found->second;
}
std::vector<size_t> FakeServer::chunk_sizes() const {
  MutexLock lock(&state_->mu);
  return state_->chunk_sizes;
}
void FakeServer::set_serving(bool serving) {
  MutexLock lock(&state_->mu);
  state_->serving = serving;
}
void FakeServer::Hold() {
  MutexLock lock(&state_->mu);
  state_->held = true;
}
void FakeServer::Release() {
  MutexLock lock(&state_->mu);
  state_->held = false;
  state_->released.NotifyAll();
}

}  // namespace subset
