// Calls grpc.health.v1 and reflection without their generated code: their messages have one field
// that matters, with the number of the well-known wrappers'.

#ifndef SUBSET_TESTS_SERVER_HEALTH_CLIENT_H_
#define SUBSET_TESTS_SERVER_HEALTH_CLIENT_H_

#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <grpcpp/impl/codegen/rpc_method.h>
#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <string>

namespace subset {

enum class Health { kUnknown = 0, kServing = 1, kNotServing = 2, kNoSuchService = 3, kFailed = 4 };

inline Health CheckHealth(grpc::Channel* channel, const std::string& service) {
  const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  grpc::ClientContext context;
  google::protobuf::StringValue request;
  google::protobuf::Int32Value reply;
  request.set_value(service);
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall(channel, method, &context, request, &reply);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) return Health::kNoSuchService;
  return status.ok() ? static_cast<Health>(reply.value()) : Health::kFailed;
}

// Says each time the health of a service changes.
class HealthWatch {
 public:
  HealthWatch(grpc::Channel* channel, const std::string& service)
      : method_("/grpc.health.v1.Health/Watch", grpc::internal::RpcMethod::SERVER_STREAMING) {
    google::protobuf::StringValue request;
    request.set_value(service);
    reader_.reset(grpc::internal::ClientReaderFactory<google::protobuf::Int32Value>::Create<
                  google::protobuf::StringValue>(channel, method_, &context_, request));
  }
  ~HealthWatch() {
    context_.TryCancel();
    reader_->Finish();
  }
  // Waits for the next report; kFailed when there will be none.
  Health Next() {
    google::protobuf::Int32Value reply;
    return reader_->Read(&reply) ? static_cast<Health>(reply.value()) : Health::kFailed;
  }

 private:
  const grpc::internal::RpcMethod method_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<google::protobuf::Int32Value>> reader_;
};

// The raw reply of reflection to list_services, which holds the services' names; empty where
// reflection is off.
inline std::string ReflectedServices(grpc::Channel* channel) {
  const grpc::internal::RpcMethod method(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      grpc::internal::RpcMethod::BIDI_STREAMING);
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>> stream(
      grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
          channel, method, &context));
  grpc::Slice list_services("\x3a\x01*");  // field 7, one byte
  stream->Write(grpc::ByteBuffer(&list_services, 1));
  stream->WritesDone();
  std::string text;
  grpc::ByteBuffer reply;
  while (stream->Read(&reply)) {
    grpc::Slice slice;
    if (reply.DumpToSingleSlice(&slice).ok()) {
      text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  stream->Finish();
  return text;
}

}  // namespace subset

#endif  // SUBSET_TESTS_SERVER_HEALTH_CLIENT_H_
