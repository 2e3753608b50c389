#include "bench/served/subset_server.h"

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "engine/engine.h"
#include "server/metrics.h"
#include "server/server.h"
#include "storage/rocks_store.h"
#include "subset/v1/dataset.grpc.pb.h"
#include "subset/v1/sampler.grpc.pb.h"
#include "subset/v1/training.grpc.pb.h"
#include "tests/testing/temp_dir.h"

namespace subset::bench {
namespace {

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "bench_served: %s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void OrDie(const grpc::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_served: %s\n", status.error_message().c_str());
  std::exit(1);
}

class SubsetServer final : public ServedThing {
 public:
  SubsetServer() {
    RocksStoreOptions store_options;
    store_options.path = dir_.File("data");
    EngineOptions engine_options;
    engine_options.observer = &metrics_;
    engine_ = OrDie(Engine::Open(engine_options, OrDie(RocksStore::Open(store_options))));
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.metrics_listen = "";
    server_ = OrDie(Server::Start(options, engine_.get(), &metrics_));
  }
  std::string address() const override { return server_->grpc_address(); }

 private:
  TempDir dir_;
  Metrics metrics_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Server> server_;
};

}  // namespace

std::unique_ptr<ServedThing> StartSubsetServer() { return std::make_unique<SubsetServer>(); }

uint64_t CreateUniformRun(const std::string& address) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  {
    grpc::ClientContext context;
    v1::Dataset dataset;
    auto stream = v1::DatasetService::NewStub(channel)->ImportDataset(&context, &dataset);
    v1::ImportDatasetRequest request;
    request.mutable_header()->set_dataset("bench");
    request.mutable_header()->set_num_samples(kSamples);
    stream->Write(request);
    stream->WritesDone();
    OrDie(stream->Finish());
  }
  {
    grpc::ClientContext context;
    v1::CreateSamplerRequest request;
    v1::Sampler sampler;
    request.set_name("bench/uniform");
    request.mutable_preset()->set_name("uniform");
    OrDie(v1::SamplerService::NewStub(channel)->CreateSampler(&context, request, &sampler));
  }
  return CreateRun(address, "bench", 8192);
}

uint64_t CreateRun(const std::string& address, const std::string& name,
                   uint32_t global_batch_size) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  grpc::ClientContext context;
  v1::CreateRunRequest request;
  v1::Run run;
  request.set_name(name);
  request.set_sampler("bench/uniform");
  request.set_global_batch_size(global_batch_size);
  OrDie(v1::TrainingService::NewStub(channel)->CreateRun(&context, request, &run));
  return run.uid();
}

}  // namespace subset::bench
