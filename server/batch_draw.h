// The one way a batch is drawn, for GetBatch and StreamBatches alike.

#ifndef SUBSET_SERVER_BATCH_DRAW_H_
#define SUBSET_SERVER_BATCH_DRAW_H_

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "server/rpc.h"

namespace subset {

// Calls the engine's GetBatch and records size and time of what was drawn without waiting. `reply`
// is as the engine wants it and lives until `done` is called: on this thread before return, or on
// another.
void DrawBatch(const ServiceParts& parts, const v1::GetBatchRequest& request, v1::Batch* reply,
               Engine::Cancelled cancelled, absl::AnyInvocable<void(absl::Status)> done);

}  // namespace subset

#endif  // SUBSET_SERVER_BATCH_DRAW_H_
