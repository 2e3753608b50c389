// How many positions an epoch has; the error of one that would have none.

#ifndef SUBSET_SAMPLING_EPOCH_SLOTS_H_
#define SUBSET_SAMPLING_EPOCH_SLOTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sampling/spec.h"

namespace subset::sampling {

// kFailedPrecondition with the reason NOTHING_TO_DRAW.
absl::Status NothingToDraw(absl::string_view why);

// Returns FloorFraction(draw.fraction, eligible); NothingToDraw where that is 0.
absl::StatusOr<uint64_t> EpochSlots(const SamplerSpec& spec, uint64_t eligible);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_EPOCH_SLOTS_H_
