// The stored form of a pruning plan: which samples were below the mean when the epoch opened.

#ifndef SUBSET_SAMPLING_STORED_SET_H_
#define SUBSET_SAMPLING_STORED_SET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sampling/sample_set.h"

namespace subset::sampling {

// Little-endian: u32 form (0x53503031), u32 0, u64 num_samples, u64 epoch, u64 number of members,
// then, unless that is 0, ceil(num_samples / 64) words with bit i % 64 of word i / 64 set for each
// member i; u64 checksum.
std::string SerializeSampleSet(const SampleSet& set, uint64_t num_samples, uint64_t epoch);

// Returns the set. Fails with kDataLoss where the bytes are damaged or of another epoch or size.
absl::StatusOr<SampleSet> ParseSampleSet(absl::string_view bytes, uint64_t num_samples,
                                         uint64_t epoch);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_STORED_SET_H_
