// What Client::ProvideEpoch sends: an epoch chosen by the caller's own code.

#ifndef SUBSET_PROVIDED_EPOCH_H_
#define SUBSET_PROVIDED_EPOCH_H_

#include <cstdint>

#include "absl/types/span.h"

namespace subset {

// Does not own the numbers: they must outlive the call.
struct ProvidedEpoch {
  uint64_t run_uid = 0;  // of a sampler whose draw is PROVIDED
  uint64_t epoch = 0;
  absl::Span<const uint32_t> indices;  // one sample a position, repeats allowed
  // For each of them, how often that sample is expected in such an epoch, from which its weight
  // follows. Empty: weights are 1 and called biased.
  absl::Span<const double> expected;
};

}  // namespace subset

#endif  // SUBSET_PROVIDED_EPOCH_H_
