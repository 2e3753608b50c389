#include "bench/served/echo_server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <mutex>

#include "absl/strings/str_cat.h"

namespace subset::bench {
namespace {

class EchoStream final : public grpc::ServerGenericBidiReactor {
 public:
  explicit EchoStream(const grpc::ByteBuffer& reply) : reply_(reply), writing_reply_(reply) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    std::unique_lock<std::mutex> lock(mu_);
    if (!ok) {
      no_more_ = true;
    } else {
      ++owed_;
    }
    Advance(lock);
    if (ok) StartRead(&request_);
  }
  void OnWriteDone(bool ok) override {
    std::unique_lock<std::mutex> lock(mu_);
    writing_ = false;
    --owed_;
    if (!ok) {
      owed_ = 0;
      no_more_ = true;
    }
    Advance(lock);
  }
  void OnDone() override { delete this; }

 private:
  void Advance(std::unique_lock<std::mutex>& lock) {
    if (writing_ || finished_) return;
    if (owed_ > 0) {
      writing_ = true;
      lock.unlock();
      writing_reply_ = reply_;  // a reference: sending takes it
      StartWrite(&writing_reply_);
    } else if (no_more_) {
      finished_ = true;
      lock.unlock();
      Finish(grpc::Status::OK);
    }
  }

  const grpc::ByteBuffer& reply_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer writing_reply_;
  std::mutex mu_;
  int owed_ = 0;
  bool writing_ = false;
  bool no_more_ = false;
  bool finished_ = false;
};

class EchoService final : public grpc::CallbackGenericService {
 public:
  explicit EchoService(const std::string& message) : slice_(message), reply_(&slice_, 1) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new EchoStream(reply_);
  }

 private:
  const grpc::Slice slice_;
  const grpc::ByteBuffer reply_;
};

class EchoServer final : public ServedThing {
 public:
  explicit EchoServer(const std::string& message) : service_(message) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterCallbackGenericService(&service_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  ~EchoServer() override { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const override { return address_; }

 private:
  EchoService service_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

}  // namespace

std::unique_ptr<ServedThing> StartEchoServer(const std::string& message) {
  return std::make_unique<EchoServer>(message);
}

}  // namespace subset::bench
