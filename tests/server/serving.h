// A server on a free loopback port inside the test, and stubs that call it.

#ifndef SUBSET_TESTS_SERVER_SERVING_H_
#define SUBSET_TESTS_SERVER_SERVING_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "server/server.h"
#include "subset/v1/dataset.grpc.pb.h"
#include "subset/v1/sampler.grpc.pb.h"
#include "subset/v1/training.grpc.pb.h"

namespace subset {

inline ServerOptions LoopbackOptions() {
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.metrics_listen = "";
  options.drain_delay = absl::ZeroDuration();
  return options;
}

// What /metrics would show of `collectable`, as text.
std::string MetricsText(const prometheus::Collectable& collectable);
// The value of the series written exactly so in `text`; -1 where there is none.
double SeriesValue(const std::string& text, const std::string& series);

// Ends the process if the server cannot start: every test needs one.
class Serving {
 public:
  explicit Serving(Engine* engine, const ServerOptions& options = LoopbackOptions(),
                   Clock* clock = Clock::Real()) {
    auto started = Server::Start(options, engine, &metrics, clock);
    SUBSET_CHECK(started.ok());
    server = *std::move(started);
    channel = grpc::CreateChannel(server->grpc_address(), grpc::InsecureChannelCredentials());
    datasets = v1::DatasetService::NewStub(channel);
    samplers = v1::SamplerService::NewStub(channel);
    training = v1::TrainingService::NewStub(channel);
  }

  // The value of the series written exactly so; -1 where there is none.
  double Metric(const std::string& series) const {
    return SeriesValue(MetricsText(*metrics.collectable()), series);
  }

  Metrics metrics;
  std::unique_ptr<Server> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::DatasetService::Stub> datasets;
  std::unique_ptr<v1::SamplerService::Stub> samplers;
  std::unique_ptr<v1::TrainingService::Stub> training;
};

// A context whose call fails instead of hanging the test.
class Context : public grpc::ClientContext {
 public:
  Context() { set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60)); }
};

// The google.rpc details of an error; empty strings where there are none.
struct ErrorDetails {
  std::string reason, domain, field, description;
};
inline ErrorDetails DetailsOf(const grpc::Status& status) {
  ErrorDetails found;
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  for (const auto& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (any.UnpackTo(&info)) {
      found.reason = info.reason();
      found.domain = info.domain();
    } else if (any.UnpackTo(&bad_request) && bad_request.field_violations_size() == 1) {
      found.field = bad_request.field_violations(0).field();
      found.description = bad_request.field_violations(0).description();
    }
  }
  return found;
}

}  // namespace subset

#endif  // SUBSET_TESTS_SERVER_SERVING_H_
