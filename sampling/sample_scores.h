// Reported scores in the order of samples, for a population.

#ifndef SUBSET_SAMPLING_SAMPLE_SCORES_H_
#define SUBSET_SAMPLING_SAMPLE_SCORES_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "sampling/columns.h"
#include "sampling/population.h"

namespace subset::sampling {

// Who is not in the population has the score 0. Not thread-safe. Valid as long as the view and the
// population. Holds one chunk.
class SampleScores {
 public:
  SampleScores(ScoreView reported, const Population& population);

  // Returns the scores of samples first, first + 1, ... up to the end of a chunk, at most `limit`;
  // NaN: unscored. Until the next call. `first` is a multiple of 64.
  absl::Span<const float> Read(uint64_t first, uint64_t limit);

 private:
  const ScoreView reported_;
  const SampleSet* const eligible_;  // null: every sample
  std::vector<float> unscored_;      // a chunk, where one is missing
  std::unique_ptr<float[]> kept_;    // of a chunk, where some are left out
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SAMPLE_SCORES_H_
