// From the address of a batch to the bytes of its reply.

#ifndef SUBSET_ENGINE_BATCH_H_
#define SUBSET_ENGINE_BATCH_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/epoch.h"
#include "engine/live_draws.h"
#include "subset/v1/training.pb.h"

namespace subset {

// A range of positions of an epoch.
struct BatchAddress {
  uint64_t position = 0;
  uint32_t count = 0;    // at least 1
  uint32_t padding = 0;  // 1: the one sample only fills an empty share
  uint64_t step = 0;     // of an assigned address
  uint32_t global_samples = 0;
};

// The most that one request of a stream may ask for.
inline constexpr uint32_t kMaxBatchesAsked = 64;

// Checks what of a request for one batch does not depend on the epoch: kInvalidArgument.
absl::Status ValidateAddress(const v1::GetBatchRequest& request);

// Returns the range a valid request names. Fails with kOutOfRange, reason EPOCH_END.
absl::StatusOr<BatchAddress> ResolveAddress(const v1::GetBatchRequest& request, const v1::Run& run,
                                            uint64_t num_positions);

// Draws the range from the epoch's plan, into the bytes of the (empty) reply. The hot path: no
// lock, and nothing allocated but those bytes.
void FillBatch(const Epoch& epoch, const BatchAddress& address, bool omit_probabilities,
               v1::Batch* reply);

// As FillBatch, from the live draws of the steps that the range meets, in order.
void FillLiveBatch(const Epoch& epoch, uint32_t global_batch_size, const BatchAddress& address,
                   absl::Span<const LiveDraws::Batch> batches, bool omit_probabilities,
                   v1::Batch* reply);

}  // namespace subset

#endif  // SUBSET_ENGINE_BATCH_H_
