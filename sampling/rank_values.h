// What a preference by rank prefers: the value of each rank, and who has which rank.

#ifndef SUBSET_SAMPLING_RANK_VALUES_H_
#define SUBSET_SAMPLING_RANK_VALUES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/types/span.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/preferred_scores.h"
#include "sampling/ranks.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {

// Writes the values of ranks first, first + 1, ... of n: (rank + 1)^-alpha or pressure^(-rank / n),
// but at least 2^-1000. That of rank 0 is 1.
void WriteRankValues(const Preference& preference, uint64_t n, uint64_t first,
                     absl::Span<double> values);

inline constexpr uint64_t kMaxRankValues = 256;  // of a piece

// Calls f(rank, values) for pieces of the values of ranks first .. last - 1 of n; f may change
// them.
template <typename F>
void ForEachRankValues(const Preference& preference, uint64_t n, uint64_t first, uint64_t last,
                       F f) {
  double piece[kMaxRankValues];
  for (; first < last; first += kMaxRankValues) {
    const auto values = absl::MakeSpan(piece, std::min(kMaxRankValues, last - first));
    WriteRankValues(preference, n, first, values);
    f(first, values);
  }
}

// The ranks of each stratum, by input.spec.preference and guard. Immutable; thread-safe.
class Rankings {
 public:
  // Input and population must outlive it. Cost: that of PreferredScores and UnscoredScore.
  Rankings(const PlanInput& input, const Population& population);

  // Whether anything is scored, or given a prior; then every slot has a rank.
  bool any() const { return !std::isnan(by_.unscored); }

  // Calls f(g, ranks, executor) for each stratum g, as ForEachStratum does; the executor is for
  // work on those ranks. REQUIRES: any(). Cost: that of Ranks.
  template <typename F>
  void ForEach(F f) const {
    ForEachStratum(executor_, by_.population, [&](size_t g, const Executor* executor) {
      const uint64_t first = by_.population.first(g);
      f(g, Ranks(by_, first, first + by_.population.count(g), executor), executor);
    });
  }

 private:
  const Executor* const executor_;
  const PreferredScores scores_;
  const RankedBy by_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_RANK_VALUES_H_
