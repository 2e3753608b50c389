// An epoch that was handed in whole.

#ifndef SUBSET_SAMPLING_PROVIDED_H_
#define SUBSET_SAMPLING_PROVIDED_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace subset::sampling {

// Between these a weight M r_i / mu_i of any epoch is a finite float above 0.
inline constexpr double kLeastExpected = 1e-28;
inline constexpr double kLargestExpected = 1e28;

struct ProvidedEpoch {
  std::vector<uint32_t> indices;  // in the order of the epoch's positions
  // Expected occurrences of the sample of each position in an epoch (mu): its inclusion
  // probability, or the length of the epoch times the probability of one draw. Empty: unknown, so
  // weights are 1 and called biased.
  std::vector<double> expected;
};

// Returns kInvalidArgument naming "indices[k]" outside [0, num_samples), "indices" where there are
// none or more than 2^32, "expected" of another length, "expected[k]" outside [kLeastExpected,
// kLargestExpected].
absl::Status CheckProvided(const ProvidedEpoch& provided, uint64_t num_samples);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PROVIDED_H_
