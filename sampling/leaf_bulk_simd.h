// The loops of leaf_bulk.h for each SIMD level.

#ifndef SUBSET_SAMPLING_LEAF_BULK_SIMD_H_
#define SUBSET_SAMPLING_LEAF_BULK_SIMD_H_

#include <cstddef>
#include <cstdint>

#include "sampling/leaf_bulk.h"

namespace subset::sampling::leaf_bulk_internal {

inline constexpr size_t kLine = 32;
inline constexpr size_t kWord = 64;

struct Loops {
  uint64_t (*encode)(const PowerLaw& law, const double* scores, size_t count, Leaf* leaves);
  uint64_t (*quick)(const QuickLaw& law, const float* scores, size_t count, Leaf* leaves);
  double (*powers)(const PowerLaw& law, const double* scores, size_t count);
  void (*add)(const double* scores, size_t count, ScoreSums* sums);
  void (*add_floats)(const float* scores, size_t count, ScoreSums* sums);
  void (*keep)(const float* scores, const uint64_t* words, size_t count, float* kept);
  void (*ratios)(double alpha, double log_largest, size_t count, double* values);
  void (*exponentials)(size_t count, double* exponents);
  LeafSums (*sum)(const Leaf* leaves, size_t count);
  LeafSums (*lines)(const Leaf* leaves, size_t lines, uint64_t* sums);
};

extern const Loops kPortableLoops;
extern const Loops kAvx2Loops;
extern const Loops kAvx512Loops;

}  // namespace subset::sampling::leaf_bulk_internal

#endif  // SUBSET_SAMPLING_LEAF_BULK_SIMD_H_
