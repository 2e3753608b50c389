// Numbers that change with training.

#ifndef SUBSET_SAMPLING_SCHEDULE_H_
#define SUBSET_SAMPLING_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace subset::sampling {

struct Schedule {
  enum class Unit { kEpochs, kSteps };
  enum class Curve { kHold, kLinear, kCosine, kGeometric, kRoot };
  struct Point {
    double at = 0;
    double value = 0;
    Curve curve = Curve::kLinear;  // towards the next point
  };
  Unit unit = Unit::kEpochs;
  std::vector<Point> points;

  // The value at a time >= 0; that of the last point after it. REQUIRES: CheckSchedule passed.
  double At(double time) const;
};

// Checks the form: 1 to 64 points, the first at 0, rising, finite; positive values where the curve
// needs them. Returns kInvalidArgument naming `field`.
absl::Status CheckSchedule(absl::string_view field, const Schedule& schedule);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SCHEDULE_H_
