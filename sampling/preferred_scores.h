// The score that a preference reads of each sample.

#ifndef SUBSET_SAMPLING_PREFERRED_SCORES_H_
#define SUBSET_SAMPLING_PREFERRED_SCORES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/huge_array.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// What a preference reads of a reported score: of a packed forgetting state (forgetting.h) the
// number of events, to weigh or to order by. Null: the score as it is.
using ScoreReading = double (*)(float);
ScoreReading ReadingOf(const Preference& preference);

// Reported scores or those of preference.column by slot of the population, less what is
// irreducible; NaN where a sample has none. Immutable; thread-safe. Valid as long as the views of
// the input. Made in O(N), with up to 8 bytes a slot where strata reorder samples or a column is
// not of floats.
class PreferredScores {
 public:
  PreferredScores(ScoreView reported, const Population& population,
                  const Executor* executor = nullptr);
  PreferredScores(const PlanInput& input, const Population& population);
  PreferredScores(PreferredScores&&) = default;  // not to be copied: it may refer to itself
  PreferredScores& operator=(PreferredScores&&) = default;

  uint64_t size() const { return size_; }

  // Writes the scores of slots first, first + 1, ...
  void Read(uint64_t first, absl::Span<double> scores) const;

  // Whether they are floats, which were reported or are those of a column, as they are.
  bool float_valued() const {
    return column_.size() == 0 && reading_ == nullptr && subtract_.size() == 0;
  }

  // Returns the scores of slots first, first + 1, ..., as many as `room` holds, as floats: where
  // they lie, or else written to `room`.
  absl::Span<const float> Floats(uint64_t first, absl::Span<float> room) const;

  // Calls f(slot, score) for slots first .. last - 1.
  template <typename F>
  void ForEach(uint64_t first, uint64_t last, F f) const {
    constexpr uint64_t kPiece = 1024;
    double piece[kPiece];
    for (; first < last; first += kPiece) {
      const uint64_t count = std::min(kPiece, last - first);
      Read(first, absl::MakeSpan(piece, count));
      for (uint64_t k = 0; k < count; ++k) f(first + k, piece[k]);
    }
  }

 private:
  void ReadColumn(const ColumnView& column, const Population& population, const Executor* executor);

  uint64_t size_;
  ScoreView reported_;                // floats in place, where slots are samples,
  std::vector<const float*> chunks_;  // of a column, maybe
  HugeArray<float> gathered_;         // or floats by slot,
  HugeArray<double> column_;          // or by slot what only doubles hold
  HugeArray<float> subtract_;         // by slot, where something is irreducible
  ScoreReading reading_ = nullptr;
};

// Returns the score that unscored samples take by guard.unscored (MEAN, MAXIMUM or PRIOR); NaN
// where nothing is scored and there is no prior. O(N), in parts by the executor (null: the calling
// thread).
double UnscoredScore(const Guard& guard, const PreferredScores& scores, const Executor* executor);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PREFERRED_SCORES_H_
