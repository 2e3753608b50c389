#include "server/import_stream.h"

#include "base/error.h"
#include "base/status_macros.h"

namespace subset {

ImportStream::ImportStream(const ServiceParts& parts, grpc::CallbackServerContext* context,
                           v1::Dataset* reply)
    : engine_(parts.engine), context_(context), reply_(reply), rpc_(parts, Method::kImportDataset) {
  if (absl::Status admitted = rpc_.Admit(*context); !admitted.ok()) {
    End(admitted);
    return;
  }
  StartRead(&message_);
}

void ImportStream::OnReadDone(bool ok) {
  if (!ok) {
    // The sender is done, or gone. Gone is not always known yet here; then Commit decides by what
    // has arrived: all of it, or an error and nothing.
    if (context_->IsCancelled()) {
      End(absl::CancelledError("the import was cancelled"));
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
  StartRead(&message_);
}

absl::Status ImportStream::Take(const v1::ImportDatasetRequest& message) {
  switch (message.part_case()) {
    case v1::ImportDatasetRequest::kHeader: {
      if (import_ != nullptr) return InvalidField("header", "may come once, as the first message");
      SUBSET_ASSIGN_OR_RETURN(import_, engine_->StartImport(message.header()));
      return absl::OkStatus();
    }
    case v1::ImportDatasetRequest::kChunk: {
      if (import_ == nullptr) return InvalidField("header", "is missing: it must come first");
      return import_->Append(message.chunk());
    }
    case v1::ImportDatasetRequest::PART_NOT_SET:
      break;
  }
  return InvalidField("part", "is not set: a message is a header or a chunk");
}

void ImportStream::Commit() {
  if (import_ == nullptr) {
    End(InvalidField("header", "is missing: the stream ended before it"));
    return;
  }
  import_->Commit([this](absl::StatusOr<v1::Dataset> result) {
    if (result.ok()) {
      *reply_ = *std::move(result);
      rpc_.metrics().Sent();
    }
    End(result.status());
  });
}

void ImportStream::End(const absl::Status& status) { Finish(rpc_.End(status)); }

}  // namespace subset
