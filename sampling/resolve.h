// The parts of ResolveSpec, one for each choice, in the order they run: each writes out its
// choice's defaults, then checks its values and what it does not go with among the choices before
// it.

#ifndef SUBSET_SAMPLING_RESOLVE_H_
#define SUBSET_SAMPLING_RESOLVE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sampling/spec.h"

namespace subset::sampling {

absl::Status ResolveEligible(SamplerSpec* spec);
absl::Status ResolveProportion(SamplerSpec* spec);
absl::Status ResolvePreference(SamplerSpec* spec);
absl::Status ResolveDraw(SamplerSpec* spec);
absl::Status ResolveSelect(SamplerSpec* spec);
absl::Status ResolveGuard(SamplerSpec* spec);
absl::Status ResolveWeight(SamplerSpec* spec);

// The name of a kind in the proto.
const char* Name(Preference::Kind kind);

// Gives each number that follows a schedule the schedule's first value.
void SetScheduledNumbers(SamplerSpec* spec);

// Runs `check`, which may not move what its spec holds in memory, with the numbers as they are at
// each point of each schedule; numbers of the other unit (epochs, steps) stand at its start.
absl::Status CheckAlongSchedules(const SamplerSpec& spec, absl::Status (*check)(SamplerSpec*));

// Returns kInvalidArgument `field value is outside range` unless `inside`, which is written so that
// NaN fails it.
absl::Status CheckRange(absl::string_view field, double value, bool inside,
                        absl::string_view range);

// Copies the fields that a kind reads; those of the others keep their defaults.
template <typename T, typename... Fields>
void CopyFields(const T& from, T* to, Fields... fields) {
  ((to->*fields = from.*fields), ...);
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RESOLVE_H_
