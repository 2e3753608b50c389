// The numbers that follow every step inside an epoch: guard.uniform_floor and weight.beta.

#ifndef SUBSET_SAMPLING_DRAW_STEPS_H_
#define SUBSET_SAMPLING_DRAW_STEPS_H_

#include <cstdint>
#include <optional>

#include "sampling/plan.h"

namespace subset::sampling {

// Immutable; thread-safe.
class DrawSteps {
 public:
  explicit DrawSteps(const PlanInput& input);

  // Whether a number changes inside the epoch.
  bool changing() const { return floor_.has_value() || beta_.has_value(); }

  // The numbers of the global batch that a position is in.
  double Floor(uint64_t position) const;
  double Beta(uint64_t position) const;

  // The mean floor over `num_positions`. O(steps).
  double MeanFloor(uint64_t num_positions) const;
  // Whether the floor is above 0, and whether beta is 1, in every batch of an epoch of that length.
  bool AlwaysFloor(uint64_t num_positions) const;
  bool AlwaysOne(uint64_t num_positions) const;

  // The first position after `position` whose numbers may differ.
  uint64_t NextChange(uint64_t position) const {
    return position - position % batch_size_ + batch_size_;
  }

 private:
  uint64_t Step(uint64_t position) const { return first_step_ + position / batch_size_; }

  uint64_t first_step_;
  uint64_t batch_size_;
  double constant_floor_;
  double constant_beta_;
  std::optional<Schedule> floor_;
  std::optional<Schedule> beta_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_DRAW_STEPS_H_
