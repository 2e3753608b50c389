// The services of the fake server and the state they share.

#ifndef SUBSET_TESTS_CLIENT_FAKE_SERVICES_H_
#define SUBSET_TESTS_CLIENT_FAKE_SERVICES_H_

#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "subset/v1/dataset.pb.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset {

struct FakeState {
  // Notes the call and returns the failure that is due, if any.
  grpc::Status Arrive(const std::string& method) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    calls.push_back(method);
    if (failures.empty()) return grpc::Status::OK;
    grpc::Status failure = failures.front();
    failures.pop_front();
    return failure;
  }

  Mutex mu;
  CondVar released;
  std::deque<grpc::Status> failures ABSL_GUARDED_BY(mu);
  std::deque<std::pair<int, grpc::Status>> stream_ends ABSL_GUARDED_BY(mu);
  std::vector<std::string> calls ABSL_GUARDED_BY(mu);
  std::vector<std::vector<v1::GetBatchRequest>> streams ABSL_GUARDED_BY(mu);
  size_t stream_requests ABSL_GUARDED_BY(mu) = 0;
  std::vector<v1::ReportFeedbackRequest> reports ABSL_GUARDED_BY(mu);
  std::set<std::pair<uint64_t, uint64_t>> sequences ABSL_GUARDED_BY(mu);  // with their session
  uint64_t sessions ABSL_GUARDED_BY(mu) = 0;
  std::map<std::string, v1::Dataset> datasets ABSL_GUARDED_BY(mu);
  std::map<std::string, std::string> columns ABSL_GUARDED_BY(mu);  // by "dataset/column"
  std::vector<size_t> chunk_sizes ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::Sampler> samplers ABSL_GUARDED_BY(mu);
  std::map<std::string, v1::Run> runs ABSL_GUARDED_BY(mu);
  bool serving ABSL_GUARDED_BY(mu) = true;
  bool held ABSL_GUARDED_BY(mu) = false;
};

// Each is thread-safe and does not outlive `state`.
std::unique_ptr<grpc::Service> NewFakeDatasetService(FakeState* state);
std::unique_ptr<grpc::Service> NewFakeSamplerService(FakeState* state);
std::unique_ptr<grpc::Service> NewFakeTrainingService(FakeState* state);
std::unique_ptr<grpc::Service> NewFakeHealthService(FakeState* state);

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_SERVICES_H_
