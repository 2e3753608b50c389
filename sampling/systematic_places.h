// The weights of a systematic draw in their order, what is certain apart.

#ifndef SUBSET_SAMPLING_SYSTEMATIC_PLACES_H_
#define SUBSET_SAMPLING_SYSTEMATIC_PLACES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/leaf.h"
#include "sampling/population.h"
#include "sampling/systematic_strata.h"
#include "sampling/weight_index.h"

namespace subset::sampling {

// A value. 2.3 bytes a place, 6 more where it is certain.
struct SystematicPlaces {
  WeightIndex weights;            // by place; 0 of what is certain
  std::vector<uint32_t> certain;  // places, ascending
  std::vector<Leaf> certain_leaves;

  // The leaves of all places.
  std::vector<Leaf> Leaves() const;
};

enum class LeafOrder { kSlots, kPlaces };

// Returns the places of leaves that are in the order of slots, or of places already. O(N), by the
// executor: at random places of `leaves` in the first case.
SystematicPlaces MakePlaces(const Executor* executor, const Population& population,
                            const std::vector<SystematicStratum>& strata,
                            absl::Span<const Leaf> leaves, LeafOrder order);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SYSTEMATIC_PLACES_H_
