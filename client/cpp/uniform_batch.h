// Uniform batches drawn here while the server is away.

#ifndef SUBSET_CLIENT_CPP_UNIFORM_BATCH_H_
#define SUBSET_CLIENT_CPP_UNIFORM_BATCH_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "subset/v1/sampler.pb.h"
#include "subset/v1/training.pb.h"

namespace subset::client_internal {

// Returns the samples of a uniform global batch of `total`, a function of its arguments, the same
// as uniform_indices() of the Python client. Bits are the words w_0, w_1, ... of Philox4x64-10:
// block b has the key (seed, 0x7375627365740001) and the counter (b + 1, 0, step, epoch).
//   total <= num_samples: a Fisher-Yates shuffle of 0 .. num_samples-1 cut off after `total`: for
//     i = 0, 1, ... swap places i and i + floor(w_i (num_samples - i) / 2^64), and give place i.
//     So no sample comes twice.
//   else: floor(w_i num_samples / 2^64)
// Each is uniform but for num_samples / 2^64. O(total) time and memory.
std::vector<uint64_t> UniformIndices(uint64_t seed, uint64_t epoch, uint64_t step,
                                     uint64_t num_samples, uint64_t total);

// Returns the share of `rank` in that batch, for a step of an open epoch: of the size and at the
// place of the share it stands for. attempt 0 says that no server gave it.
v1::Batch UniformBatch(const v1::Run& run, const v1::Epoch& epoch, uint64_t step, uint32_t rank,
                       uint32_t world_size);

// kFailedPrecondition where the sampler leaves samples out altogether: uniform batches would not.
absl::Status CheckUnrestricted(const v1::Sampler& sampler);

}  // namespace subset::client_internal

#endif  // SUBSET_CLIENT_CPP_UNIFORM_BATCH_H_
