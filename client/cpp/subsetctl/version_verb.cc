#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>

#include "client/cpp/subsetctl/json.h"
#include "client/cpp/subsetctl/verbs.h"

namespace subset::ctl {
namespace {

absl::Status Version(Context& context) {
  const std::string protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
  if (context.json()) {
    context.console().out << JsonObject()
                                 .Add("version", JsonString(SUBSET_CLIENT_VERSION))
                                 .Add("api", JsonString("subset.v1"))
                                 .Add("grpc_version", JsonString(grpc::Version()))
                                 .Add("protobuf_version", JsonString(protobuf))
                                 .Text();
  } else {
    context.console().out << "subsetctl " << SUBSET_CLIENT_VERSION << " (api subset.v1, gRPC "
                          << grpc::Version() << ", protobuf " << protobuf << ")\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddVersionVerb(CLI::App& app, Context& context) {
  app.add_subcommand("version", "Shows the version of this program")->callback([&context] {
    context.action = [&context] { return Version(context); };
  });
}

}  // namespace subset::ctl
