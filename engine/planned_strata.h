// The strata of a plan that is looked at: those of the whole dataset beside those of the samples
// that may be drawn.

#ifndef SUBSET_ENGINE_PLANNED_STRATA_H_
#define SUBSET_ENGINE_PLANNED_STRATA_H_

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "subset/v1/sampler.pb.h"

namespace subset {

// Immutable.
class PlannedStrata {
 public:
  // `population` is that of `input`. Fails as BuildPopulation. O(N).
  static absl::StatusOr<PlannedStrata> Create(const sampling::PlanInput& input,
                                              const sampling::Population& population);

  // Strata of the dataset, whatever the filter.
  size_t size() const { return all_.num_strata(); }

  // Describes stratum g of the dataset; `counts` are the expected draws of every sample, and
  // `total_draws` their sum. O(its samples).
  v1::PreviewSamplerResponse::Stratum Describe(size_t g, absl::Span<const double> counts,
                                               double total_draws) const;

  // The stratum of the dataset that holds the sample. O(strata log N).
  size_t Of(uint32_t sample) const;
  // The stratum of the population that stands for stratum g of the dataset, if any is left of it.
  std::optional<size_t> Left(size_t g) const;

 private:
  using Key = std::pair<int64_t, int64_t>;  // value, inner value
  static Key KeyOf(const sampling::Population& population, size_t g);

  sampling::Population all_;
  sampling::Population left_;
  bool nested_ = false;
  std::map<Key, size_t> left_by_key_;
};

// Returns the slot of the sample in stratum g, if it is there. O(log N).
std::optional<uint64_t> FindSlot(const sampling::Population& population, size_t g, uint32_t sample);

}  // namespace subset

#endif  // SUBSET_ENGINE_PLANNED_STRATA_H_
