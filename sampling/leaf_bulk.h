// Leaves by the thousand: from scores, and their sums. Vector instructions are chosen at run time;
// the bits are those of one leaf at a time.

#ifndef SUBSET_SAMPLING_LEAF_BULK_H_
#define SUBSET_SAMPLING_LEAF_BULK_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "sampling/leaf.h"
#include "sampling/power_law.h"

namespace subset::sampling {

// Writes the leaf of each score; returns how many weights were clamped: above the largest leaf's,
// or below a half. Spans of the same length. Floats give the same leaves several times as fast.
uint64_t EncodeLeaves(const PowerLaw& law, absl::Span<const double> scores,
                      absl::Span<Leaf> leaves);
uint64_t EncodeLeaves(const QuickLaw& law, absl::Span<const float> scores, absl::Span<Leaf> leaves);

// Returns the sum of the weights before weight_factor, the same on every machine.
double SumPowers(const PowerLaw& law, absl::Span<const double> scores);
double SumPowers(const PowerLaw& law, absl::Span<const float> scores);

// What scores add up to; negative ones count as 0, NaN as not scored. Sums go by lanes, so that
// they are the same on every machine.
struct ScoreSums {
  static constexpr size_t kLanes = 16;
  double lanes[kLanes] = {};
  double largest = 0;
  uint64_t scored = 0;  // how many
};

// Adds scores, the first to the first lane.
void AddScores(absl::Span<const double> scores, ScoreSums* sums);
void AddScores(absl::Span<const float> scores, ScoreSums* sums);
// Adds what other scores add up to.
void AddSums(const ScoreSums& others, ScoreSums* sums);

// Writes the scores of the members of a set, bit k of whose words is for score k, and 0 for the
// others. Spans of the same length.
void KeepScores(absl::Span<const float> scores, const uint64_t* words, absl::Span<float> kept);

// Replaces each value > 0 by (value / largest)^alpha, but at least 2^-1000, and others by 0; none
// is above `largest`, or below it where alpha < 0. By PortableLog2 and PortableExp2, to the bit.
void RaiseRatios(double alpha, double largest, absl::Span<double> values);

// Replaces each exponent by 2^exponent, but at least 2^-1000; none is above 1000. By PortableExp2,
// to the bit.
void RaiseTwo(absl::Span<double> exponents);

struct LeafSums {
  uint64_t total = 0;                   // of the weights
  unsigned __int128 total_squares = 0;  // of their squares
  uint64_t positive = 0;                // how many are not 0
};

LeafSums SumLeaves(absl::Span<const Leaf> leaves);

// The same, and writes the sum of the weights of each 32 leaves; leaves.size() = 32 * sums.size().
LeafSums SumLines(absl::Span<const Leaf> leaves, absl::Span<uint64_t> sums);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LEAF_BULK_H_
