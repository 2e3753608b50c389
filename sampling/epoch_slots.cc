#include "sampling/epoch_slots.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset::sampling {

absl::Status NothingToDraw(absl::string_view why) {
  return WithReason(absl::FailedPreconditionError(absl::StrCat("nothing to draw: ", why)),
                    "NOTHING_TO_DRAW");
}

absl::StatusOr<uint64_t> EpochSlots(const SamplerSpec& spec, uint64_t eligible) {
  const uint64_t slots = FloorFraction(spec.draw.fraction, eligible);
  if (slots > 0) return slots;
  return NothingToDraw(
      absl::StrCat("draw.fraction ", spec.draw.fraction, " of ", eligible, " samples is 0"));
}

}  // namespace subset::sampling
