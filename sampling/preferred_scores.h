// The score that a preference reads of each sample.

#ifndef SUBSET_SAMPLING_PREFERRED_SCORES_H_
#define SUBSET_SAMPLING_PREFERRED_SCORES_H_

#include <cstdint>
#include <vector>

#include "sampling/columns.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Returns what spec.preference.irreducible subtracts from the score of each sample of the dataset;
// empty where it names no column. A missing loss subtracts 0 (USE_SCORE) or the mean of those of
// its stratum (STRATUM_MEAN; where the stratum has none, 0). O(N) and 4 bytes a sample.
std::vector<float> IrreducibleLosses(const PlanInput& input, const Population& population);

// Reported scores or those of preference.column, less what is irreducible; NaN where a sample has
// none. Immutable; thread-safe. Valid as long as the views of the input.
class PreferredScores {
 public:
  explicit PreferredScores(ScoreView reported) : reported_(reported) {}
  PreferredScores(const PlanInput& input, const Population& population);

  double operator[](uint32_t sample) const {
    const double score = column_.chunks.empty() ? reported_[sample] : column_.At(sample);
    return irreducible_.empty() ? score : score - irreducible_[sample];
  }

 private:
  ScoreView reported_;
  ColumnView column_;  // where it has chunks
  std::vector<float> irreducible_;
};

// Returns the score that unscored samples take by guard.unscored (MEAN, MAXIMUM or PRIOR); NaN
// where nothing is scored and there is no prior. O(N).
double UnscoredScore(const Guard& guard, const PreferredScores& scores,
                     const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PREFERRED_SCORES_H_
