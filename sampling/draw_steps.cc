#include "sampling/draw_steps.h"

#include <algorithm>
#include <string>

namespace subset::sampling {
namespace {

std::optional<Schedule> StepSchedule(const SamplerSpec& spec, const std::string& path) {
  const auto it = spec.schedules.find(path);
  if (it == spec.schedules.end() || it->second.unit != Schedule::Unit::kSteps) return std::nullopt;
  return it->second;
}

// Whether every value from step `first` to step `last` passes: those of points and ends do, and
// curves are monotone between them.
template <typename Test>
bool AllValues(const Schedule& schedule, uint64_t first, uint64_t last, Test test) {
  const double from = static_cast<double>(first);
  const double until = static_cast<double>(last);
  return test(schedule.At(from)) && test(schedule.At(until)) &&
         std::all_of(schedule.points.begin(), schedule.points.end(), [&](const auto& point) {
           return point.at < from || point.at > until || test(point.value);
         });
}

}  // namespace

DrawSteps::DrawSteps(const PlanInput& input)
    : first_step_(input.first_step),
      batch_size_(std::max<uint32_t>(1, input.batch_size)),
      constant_floor_(input.spec.guard.uniform_floor),
      constant_beta_(input.spec.weight.beta),
      floor_(StepSchedule(input.spec, "guard.uniform_floor")),
      beta_(StepSchedule(input.spec, "weight.beta")) {}

double DrawSteps::Floor(uint64_t position) const {
  return floor_.has_value() ? floor_->At(static_cast<double>(Step(position))) : constant_floor_;
}

double DrawSteps::Beta(uint64_t position) const {
  return beta_.has_value() ? beta_->At(static_cast<double>(Step(position))) : constant_beta_;
}

double DrawSteps::MeanFloor(uint64_t num_positions) const {
  if (!floor_.has_value()) return constant_floor_;
  double sum = 0;
  for (uint64_t position = 0; position < num_positions; position += batch_size_) {
    const uint64_t size = std::min(batch_size_, num_positions - position);
    sum += static_cast<double>(size) * Floor(position);
  }
  return sum / static_cast<double>(num_positions);
}

bool DrawSteps::AlwaysFloor(uint64_t num_positions) const {
  const auto positive = [](double value) { return value > 0; };
  if (!floor_.has_value()) return positive(constant_floor_);
  return AllValues(*floor_, first_step_, Step(num_positions - 1), positive);
}

bool DrawSteps::AlwaysOne(uint64_t num_positions) const {
  const auto one = [](double value) { return value == 1; };
  if (!beta_.has_value()) return one(constant_beta_);
  return AllValues(*beta_, first_step_, Step(num_positions - 1), one);
}

}  // namespace subset::sampling
