#include "sampling/leaf_bulk.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sampling/leaf_bulk_simd.h"
#include "sampling/leaf_math.h"
#include "sampling/pack_bits.h"
#include "sampling/simd.h"

#define SUBSET_TARGET
#include "sampling/leaf_bulk_loops.inc"
#include "sampling/leaf_quick_block.inc"
#include "sampling/leaf_quick_loops.inc"
#include "sampling/leaf_sum_loops.inc"

namespace subset::sampling {
namespace leaf_bulk_internal {

const Loops kPortableLoops = {EncodeLoop, QuickLoop, PowersLoop,      AddLoop, AddLoop,
                              KeepLoop,   RatioLoop, ExponentialLoop, SumLoop, LinesLoop};

}  // namespace leaf_bulk_internal

namespace {

using leaf_bulk_internal::Loops;

const Loops& ActiveLoops() {
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

// Calls f(first, the scores from there as doubles).
template <typename F>
void ForEachPiece(absl::Span<const float> scores, F f) {
  constexpr size_t kPiece = 1024;
  double piece[kPiece];
  for (size_t first = 0; first < scores.size(); first += kPiece) {
    const size_t count = std::min(kPiece, scores.size() - first);
    std::copy_n(scores.data() + first, count, piece);
    f(first, absl::MakeConstSpan(piece, count));
  }
}

}  // namespace

uint64_t EncodeLeaves(const PowerLaw& law, absl::Span<const double> scores,
                      absl::Span<Leaf> leaves) {
  return ActiveLoops().encode(law, scores.data(), scores.size(), leaves.data());
}

uint64_t EncodeLeaves(const QuickLaw& law, absl::Span<const float> scores,
                      absl::Span<Leaf> leaves) {
  const Loops& loops = ActiveLoops();
  if (law.applies) return loops.quick(law, scores.data(), scores.size(), leaves.data());
  uint64_t clamped = 0;
  ForEachPiece(scores, [&](size_t first, absl::Span<const double> piece) {
    clamped += loops.encode(law.exact, piece.data(), piece.size(), leaves.data() + first);
  });
  return clamped;
}

double SumPowers(const PowerLaw& law, absl::Span<const double> scores) {
  return ActiveLoops().powers(law, scores.data(), scores.size());
}

double SumPowers(const PowerLaw& law, absl::Span<const float> scores) {
  double sum = 0;
  ForEachPiece(scores,
               [&](size_t, absl::Span<const double> piece) { sum += SumPowers(law, piece); });
  return sum;
}

void AddScores(absl::Span<const double> scores, ScoreSums* sums) {
  ActiveLoops().add(scores.data(), scores.size(), sums);
}

void AddScores(absl::Span<const float> scores, ScoreSums* sums) {
  ActiveLoops().add_floats(scores.data(), scores.size(), sums);
}

void AddSums(const ScoreSums& others, ScoreSums* sums) {
  for (size_t lane = 0; lane < ScoreSums::kLanes; ++lane) sums->lanes[lane] += others.lanes[lane];
  sums->largest = std::max(sums->largest, others.largest);
  sums->scored += others.scored;
}

void KeepScores(absl::Span<const float> scores, const uint64_t* words, absl::Span<float> kept) {
  ActiveLoops().keep(scores.data(), words, scores.size(), kept.data());
}

void RaiseRatios(double alpha, double largest, absl::Span<double> values) {
  ActiveLoops().ratios(alpha, PortableLog2(largest), values.size(), values.data());
}

void RaiseTwo(absl::Span<double> exponents) {
  ActiveLoops().exponentials(exponents.size(), exponents.data());
}

LeafSums SumLeaves(absl::Span<const Leaf> leaves) {
  return ActiveLoops().sum(leaves.data(), leaves.size());
}

LeafSums SumLines(absl::Span<const Leaf> leaves, absl::Span<uint64_t> sums) {
  return ActiveLoops().lines(leaves.data(), sums.size(), sums.data());
}

}  // namespace subset::sampling
