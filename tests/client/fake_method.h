// What the methods of the fake services have in common.

#ifndef SUBSET_TESTS_CLIENT_FAKE_METHOD_H_
#define SUBSET_TESTS_CLIENT_FAKE_METHOD_H_

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "base/mutex.h"
#include "tests/client/fake_services.h"

// The head of a unary method of a class with a member FakeState* state_. The body that follows sees
// `request` and `response`; it runs under the lock, unless a failure is due.
#define SUBSET_FAKE_METHOD(METHOD, RESPONSE)                                           \
  grpc::Status METHOD(grpc::ServerContext*, const v1::METHOD##Request* request,        \
                      v1::RESPONSE* response) override {                               \
    MutexLock lock(&state_->mu);                                                       \
    if (grpc::Status failure = state_->Arrive(#METHOD); !failure.ok()) return failure; \
    return METHOD##Locked(*request, response);                                         \
  }                                                                                    \
  grpc::Status METHOD##Locked([[maybe_unused]] const v1::METHOD##Request& request,     \
                              [[maybe_unused]] v1::RESPONSE* response)                 \
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu)

namespace subset {

// Returns that there is no `kind` named so.
grpc::Status NotFoundError(const std::string& kind, const std::string& name);

// The time at which all that the fake holds was made.
google::protobuf::Timestamp FixedTime();

template <class Map, class Value>
grpc::Status GetNamed(const Map& map, const std::string& kind, const std::string& name,
                      Value* value) {
  const auto found = map.find(name);
  if (found == map.end()) return NotFoundError(kind, name);
  *value = found->second;
  return grpc::Status::OK;
}

// Copies every value of a map to a new place that `add` gives.
template <class Map, class Add>
grpc::Status ListAll(const Map& map, Add add) {
  for (const auto& [name, value] : map) *add() = value;
  return grpc::Status::OK;
}

template <class Map>
grpc::Status DeleteNamed(Map& map, const std::string& kind, const std::string& name) {
  return map.erase(name) == 1 ? grpc::Status::OK : NotFoundError(kind, name);
}

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_METHOD_H_
