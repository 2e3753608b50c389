// Where training stands, as a small text that the C++ and the Python client both read.
//
// A JSON object below 1 KiB: the version (2); what it belongs to (dataset, sampler, run, their
// uids, seed, global_batch_size, and "delivery": "leased" where it is); epoch, position; and crc,
// the CRC-32 of the rest in the form that Python's json.dumps(sort_keys=True) gives it. An assigned
// stream keeps a state by itself: see BatchSampler. These functions are for loops of another kind.

#ifndef SUBSET_SAVED_STATE_H_
#define SUBSET_SAVED_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "subset/v1/training.pb.h"

namespace subset {

// What comes next: global batch `step` of `epoch`.
struct Place {
  uint64_t epoch = 0;
  uint64_t step = 0;
};

// A leased stream's state is its epoch: what is left of that, the server knows.
enum class Delivery { kAssigned, kLeased };

// Returns the state of a job of `run` (as CreateRun or GetRun gave it) that stands at `place`.
// After an epoch's last batch that is step 0 of the next. Local. Thread-safe.
std::string MakeState(const v1::Run& run, Place place, Delivery delivery = Delivery::kAssigned);

// Returns the place in a state of `run`, at any world size. Local. Thread-safe.
// kInvalidArgument naming "state", with what was found and what was expected: another version; a
// damaged, truncated or forged text; one of another dataset, sampler, run, seed, global batch size
// or delivery; a position that is no multiple of the global batch size.
absl::StatusOr<Place> ReadState(absl::string_view state, const v1::Run& run,
                                Delivery delivery = Delivery::kAssigned);

}  // namespace subset

#endif  // SUBSET_SAVED_STATE_H_
