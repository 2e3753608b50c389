#include "server/batch_draw.h"

#include <utility>

namespace subset {
namespace {

// The reply this thread is drawing now: a `done` that finds its own here was called inline, so that
// its time holds no waiting.
thread_local const v1::Batch* drawing_here = nullptr;

}  // namespace

void DrawBatch(const ServiceParts& parts, const v1::GetBatchRequest& request, v1::Batch* reply,
               Engine::Cancelled cancelled, absl::AnyInvocable<void(absl::Status)> done) {
  const v1::Batch* const outer = std::exchange(drawing_here, reply);
  const absl::Duration start = parts.clock->Monotonic();
  parts.engine->GetBatch(
      request, reply, std::move(cancelled),
      [parts, reply, start, done = std::move(done)](absl::Status status) mutable {
        if (status.ok() && drawing_here == reply && !reply->has_retry_after()) {
          const size_t width = reply->index_width() == 8 ? 8 : 4;
          parts.metrics->Drew(reply->indices().size() / width, parts.clock->Monotonic() - start);
        }
        done(std::move(status));
      });
  drawing_here = outer;
}

}  // namespace subset
