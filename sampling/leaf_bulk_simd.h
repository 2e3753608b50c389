// The loops of leaf_bulk.h for each SIMD level.

#ifndef SUBSET_SAMPLING_LEAF_BULK_SIMD_H_
#define SUBSET_SAMPLING_LEAF_BULK_SIMD_H_

#include <cstddef>
#include <cstdint>

#include "sampling/leaf_bulk.h"

namespace subset::sampling::leaf_bulk_internal {

inline constexpr size_t kLine = 32;

struct Loops {
  EncodedLeaves (*encode)(const PowerLaw& law, const double* scores, size_t count, Leaf* leaves);
  void (*add)(const double* scores, size_t count, ScoreLanes* lanes);
  LeafSums (*sum)(const Leaf* leaves, size_t count);
  void (*lines)(const Leaf* leaves, size_t lines, uint64_t* sums);
};

extern const Loops kPortableLoops;
extern const Loops kAvx2Loops;
extern const Loops kAvx512Loops;

}  // namespace subset::sampling::leaf_bulk_internal

#endif  // SUBSET_SAMPLING_LEAF_BULK_SIMD_H_
