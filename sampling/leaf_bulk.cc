#include "sampling/leaf_bulk.h"

#include <algorithm>
#include <cstring>

#include "sampling/leaf_bulk_simd.h"
#include "sampling/leaf_math.h"
#include "sampling/simd.h"

#define SUBSET_TARGET
#include "sampling/leaf_bulk_loops.inc"

namespace subset::sampling {
namespace leaf_bulk_internal {

const Loops kPortableLoops = {EncodeLoop, AddLoop, SumLoop, LinesLoop};

}  // namespace leaf_bulk_internal

namespace {

const leaf_bulk_internal::Loops& ActiveLoops() {
  switch (ActiveSimdLevel()) {
#if defined(__x86_64__)
    case SimdLevel::kAvx512:
      return leaf_bulk_internal::kAvx512Loops;
    case SimdLevel::kAvx2:
      return leaf_bulk_internal::kAvx2Loops;
#endif
    default:
      return leaf_bulk_internal::kPortableLoops;
  }
}

}  // namespace

EncodedLeaves EncodeLeaves(const PowerLaw& law, absl::Span<const double> scores,
                           absl::Span<Leaf> leaves) {
  return ActiveLoops().encode(law, scores.data(), scores.size(), leaves.data());
}

void AddScores(absl::Span<const double> scores, ScoreLanes* lanes) {
  ActiveLoops().add(scores.data(), scores.size(), lanes);
}

LeafSums SumLeaves(absl::Span<const Leaf> leaves) {
  return ActiveLoops().sum(leaves.data(), leaves.size());
}

void SumLines(absl::Span<const Leaf> leaves, absl::Span<uint64_t> sums) {
  ActiveLoops().lines(leaves.data(), sums.size(), sums.data());
}

}  // namespace subset::sampling
