#include "subset/provided_epoch.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "client/cpp/connection.h"
#include "subset/client.h"

namespace subset {
namespace {

constexpr size_t kChunkPositions = size_t{1} << 16;  // 12 bytes each, of the 1 MiB a chunk may have

template <class T>
void Set(absl::Span<const T> values, std::string* bytes) {
  bytes->assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Writes until the server has everything or has ended the call; Finish says which.
void WriteAll(const ProvidedEpoch& epoch, grpc::ClientWriter<v1::ProvideEpochRequest>* writer) {
  v1::ProvideEpochRequest message;
  message.mutable_header()->set_run_uid(epoch.run_uid);
  message.mutable_header()->set_epoch(epoch.epoch);
  message.mutable_header()->set_num_positions(epoch.indices.size());
  message.mutable_header()->set_has_expected(!epoch.expected.empty());
  if (!writer->Write(message)) return;
  for (size_t first = 0; first < epoch.indices.size(); first += kChunkPositions) {
    auto* chunk = message.mutable_chunk();
    chunk->set_first_position(first);
    Set(epoch.indices.subspan(first, kChunkPositions), chunk->mutable_indices());
    if (!epoch.expected.empty()) {
      Set(epoch.expected.subspan(first, kChunkPositions), chunk->mutable_expected());
    }
    if (!writer->Write(message)) return;
  }
  writer->WritesDone();
}

}  // namespace

absl::StatusOr<v1::Epoch> Client::ProvideEpoch(const ProvidedEpoch& epoch, Timeout timeout) {
  if (!epoch.expected.empty() && epoch.expected.size() != epoch.indices.size()) {
    return InvalidField("expected", absl::StrCat("has ", epoch.expected.size(), " counts for ",
                                                 epoch.indices.size(), " positions"));
  }
  const uint64_t bytes =
      epoch.indices.size() * sizeof(uint32_t) + epoch.expected.size() * sizeof(double);
  return client_internal::CallWithRetry<v1::Epoch>(
      *connection_, timeout.value_or(client_internal::UploadTimeout(*connection_, bytes)),
      [&](grpc::ClientContext* context, v1::Epoch* response) {
        auto writer = connection_->training->ProvideEpoch(context, response);
        WriteAll(epoch, writer.get());
        return writer->Finish();
      });
}

}  // namespace subset
