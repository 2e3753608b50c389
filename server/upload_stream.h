// One call whose client streams a header and chunks: one commit, or nothing.

#ifndef SUBSET_SERVER_UPLOAD_STREAM_H_
#define SUBSET_SERVER_UPLOAD_STREAM_H_

#include <functional>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "server/rpc.h"

namespace subset {

// Reads one message at a time: a slow engine slows the sender. A stream that breaks, or is refused,
// leaves nothing. Deletes itself when gRPC is done with it. `Request` is a oneof `part` of header
// and chunk.
template <typename Request, typename Reply>
class UploadStream final : public grpc::ServerReadReactor<Request> {
 public:
  using Header = typename Request::Header;
  using Upload = subset::Upload<typename Request::Chunk, Reply>;
  using Start = std::function<absl::StatusOr<std::unique_ptr<Upload>>(const Header&)>;

  UploadStream(const ServiceParts& parts, Method method, grpc::CallbackServerContext* context,
               Reply* reply, Start start)
      : start_(std::move(start)), context_(context), reply_(reply), rpc_(parts, method) {
    if (absl::Status admitted = rpc_.Admit(*context); !admitted.ok()) {
      End(admitted);
      return;
    }
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      // The sender is done, or gone. Gone is not always known yet here; then Commit decides by what
      // has arrived: all of it, or an error and nothing.
      if (context_->IsCancelled()) {
        End(absl::CancelledError("the upload was cancelled"));
      } else {
        Commit();
      }
      return;
    }
    rpc_.metrics().Received();
    if (absl::Status taken = Take(message_); !taken.ok()) {
      End(taken);
      return;
    }
    this->StartRead(&message_);
  }
  void OnDone() override { delete this; }

 private:
  // Takes one message; an error ends the call.
  absl::Status Take(const Request& message) {
    switch (message.part_case()) {
      case Request::kHeader: {
        if (upload_ != nullptr) {
          return InvalidField("header", "may come once, as the first message");
        }
        SUBSET_ASSIGN_OR_RETURN(upload_, start_(message.header()));
        return absl::OkStatus();
      }
      case Request::kChunk: {
        if (upload_ == nullptr) return InvalidField("header", "is missing: it must come first");
        return upload_->Append(message.chunk());
      }
      case Request::PART_NOT_SET:
        break;
    }
    return InvalidField("part", "is not set: a message is a header or a chunk");
  }

  void Commit() {
    if (upload_ == nullptr) {
      End(InvalidField("header", "is missing: the stream ended before it"));
      return;
    }
    upload_->Commit([this](absl::StatusOr<Reply> result) {
      if (result.ok()) {
        *reply_ = *std::move(result);
        rpc_.metrics().Sent();
      }
      End(result.status());
    });
  }

  void End(const absl::Status& status) { this->Finish(rpc_.End(status)); }

  // Constant after construction.
  const Start start_;
  grpc::CallbackServerContext* const context_;
  Reply* const reply_;

  // Used by one reaction at a time: gRPC never runs two reads of a call at once.
  Rpc rpc_;
  Request message_;
  std::unique_ptr<Upload> upload_;  // null until the header
};

}  // namespace subset

#endif  // SUBSET_SERVER_UPLOAD_STREAM_H_
