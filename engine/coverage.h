// How much of a dataset several epochs reach.

#ifndef SUBSET_ENGINE_COVERAGE_H_
#define SUBSET_ENGINE_COVERAGE_H_

#include <cstdint>

#include "absl/types/span.h"
#include "sampling/spec.h"

namespace subset {

// Of epochs that are all like one that is planned. Immutable; the counts must outlive it.
class Coverage {
 public:
  // `counts`: how often each sample of the dataset is expected in such an epoch. O(N).
  Coverage(const sampling::Draw& draw, uint64_t num_positions, absl::Span<const double> counts);

  // The share of the samples that is expected to be drawn at least once in so many epochs. O(N).
  double After(uint32_t epochs) const;

 private:
  // The chance that a sample of this expected count appears in none of them.
  double Missed(double count, uint32_t epochs) const;

  const sampling::Draw& draw_;
  double positions_;
  absl::Span<const double> counts_;
  double blocks_ = 0;  // of an epoch, where they are drawn independently
  // The chance that a block holds a sample, by the mean number of times it does.
  double block_share_ = 1;
};

}  // namespace subset

#endif  // SUBSET_ENGINE_COVERAGE_H_
