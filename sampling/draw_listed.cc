// Draws that are listed elsewhere: ROUNDS and PROVIDED.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/drawn_slots.h"
#include "sampling/epoch_slots.h"
#include "sampling/provided.h"
#include "sampling/rounds.h"

namespace subset::sampling {

absl::StatusOr<DrawnSlots> DrawRounds(const PlanInput& input, const Population& population) {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t slots, EpochSlots(input.spec, population.size()));
  DrawnSlots drawn;
  drawn.slots = RoundSlice(input.key, population.size(), slots, input.key.epoch);
  drawn.shuffle = false;  // a slice is of a keyed order
  drawn.mass = static_cast<double>(slots);
  drawn.expected_by_stratum.assign(population.num_strata(),
                                   drawn.mass / static_cast<double>(population.size()));
  return drawn;
}

absl::StatusOr<DrawnSlots> DrawProvided(const PlanInput& input, const Population& population) {
  if (input.provided == nullptr) {
    return WithReason(
        absl::FailedPreconditionError(absl::StrCat("epoch ", input.key.epoch,
                                                   " has not been provided: draw.kind PROVIDED "
                                                   "opens epochs that were handed in")),
        "EPOCH_NOT_PROVIDED");
  }
  const ProvidedEpoch& provided = *input.provided;
  SUBSET_RETURN_IF_ERROR(CheckProvided(provided, input.num_samples));
  SUBSET_CHECK(population.size() == input.num_samples);
  std::vector<uint32_t> slot_of(population.size());
  for (uint64_t slot = 0; slot < slot_of.size(); ++slot) {
    slot_of[population.sample(slot)] = static_cast<uint32_t>(slot);
  }
  DrawnSlots drawn;
  drawn.shuffle = false;
  drawn.probability_kind = ProbabilityKind::kExpectedCount;
  drawn.unbiased_over = UnbiasedOver::kEpoch;  // its order is the caller's
  for (const uint32_t i : provided.indices) drawn.slots.push_back(slot_of[i]);
  drawn.expected_by_position = provided.expected;
  if (!provided.expected.empty()) {
    drawn.mass = static_cast<double>(drawn.slots.size());
    return drawn;
  }
  std::vector<uint32_t> counts(population.size());
  for (const uint32_t slot : drawn.slots) ++counts[slot];
  for (const uint32_t slot : drawn.slots) drawn.expected_by_position.push_back(counts[slot]);
  return drawn;
}

}  // namespace subset::sampling
