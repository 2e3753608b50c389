// The numbers of a SamplerSpec as a table: where each is and what it may be. Range checks and
// schedules go by it.

#ifndef SUBSET_SAMPLING_SPEC_NUMBERS_H_
#define SUBSET_SAMPLING_SPEC_NUMBERS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "sampling/spec.h"

namespace subset::sampling {

struct Interval {
  double low = 0;
  double high = 0;
  bool low_open = false;
  bool high_open = false;

  // False for NaN.
  bool Contains(double x) const {
    return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
  }
  std::string Text() const;  // "(0, 16]"
};
inline constexpr Interval kUnit = {0, 1};
inline constexpr Interval kFraction = {0, 1, true};   // (0, 1]
inline constexpr Interval kExponent = {0, 16, true};  // (0, 16]

// Returns kInvalidArgument `field value is outside range` where it is.
absl::Status CheckRange(absl::string_view field, double value, const Interval& range);

struct SpecNumber {
  std::string path;         // in the proto's SamplerSpec: "preference.score_power.alpha"
  double* value = nullptr;  // in the spec that was listed
  Interval range;
  bool every_step = false;  // a schedule over steps is followed at each of them
};

// Returns the numbers that the chosen kinds of `spec` read. Whole numbers are not among them: a
// schedule cannot move them. Valid while the spec lives; its nested proportion is copied first,
// since specs share theirs.
std::vector<SpecNumber> SpecNumbers(SamplerSpec* spec);

// Checks each number against its range. Returns kInvalidArgument naming it, the value and the
// range.
absl::Status CheckNumbers(const SamplerSpec& spec);

// Checks the schedules: known paths (the nearest is named), a whole form, every point within the
// range of its number. Returns kInvalidArgument naming "schedules[PATH]".
absl::Status CheckSchedules(const SamplerSpec& spec);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SPEC_NUMBERS_H_
