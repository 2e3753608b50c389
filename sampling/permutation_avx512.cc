#if defined(__x86_64__)

#include <algorithm>

#include "sampling/permutation_feistel.h"

#define SUBSET_TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#include "sampling/permutation_loops.inc"

namespace subset::sampling::permutation_internal {

void FillAvx512(const FeistelNetwork& network, uint64_t first, size_t steps, uint32_t* out) {
  FillLoop(network, first, steps, out);
}

void MapAvx512(const FeistelNetwork& network, size_t steps, uint32_t* positions) {
  MapLoop(network, steps, positions);
}

}  // namespace subset::sampling::permutation_internal

#endif  // defined(__x86_64__)
