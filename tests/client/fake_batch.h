// The batches that the fake server gives.

#ifndef SUBSET_TESTS_CLIENT_FAKE_BATCH_H_
#define SUBSET_TESTS_CLIENT_FAKE_BATCH_H_

#include <cstdint>

#include "subset/v1/training.pb.h"

namespace subset {

// The batch of `count` samples the fake gives at `position`: index i of the epoch is
// (7 i + epoch) % 100, probability 0.01, weight 0.5 for even indices and 2 for odd ones.
v1::Batch FakeBatch(uint64_t epoch, uint64_t position, uint32_t count);

}  // namespace subset

#endif  // SUBSET_TESTS_CLIENT_FAKE_BATCH_H_
