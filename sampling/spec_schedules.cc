// SpecAt, and what ResolveSpec asks of schedules.

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "sampling/resolve.h"
#include "sampling/spec.h"
#include "sampling/spec_numbers.h"

namespace subset::sampling {
namespace {

// A number and what moves it.
struct Moved {
  SpecNumber number;
  const Schedule* schedule;
};

std::vector<Moved> MovedNumbers(SamplerSpec* spec) {
  std::vector<Moved> moved;
  if (spec->schedules.empty()) return moved;
  for (SpecNumber& number : SpecNumbers(spec)) {
    const auto it = spec->schedules.find(number.path);
    if (it != spec->schedules.end()) moved.push_back({std::move(number), &it->second});
  }
  return moved;
}

void Move(const std::vector<Moved>& moved, double epoch, double step) {
  for (const Moved& m : moved) {
    *m.number.value = m.schedule->At(m.schedule->unit == Schedule::Unit::kEpochs ? epoch : step);
  }
}

}  // namespace

void SetScheduledNumbers(SamplerSpec* spec) { Move(MovedNumbers(spec), 0, 0); }

absl::Status CheckAlongSchedules(const SamplerSpec& spec, absl::Status (*check)(SamplerSpec*)) {
  SamplerSpec copy = spec;
  const std::vector<Moved> moved = MovedNumbers(&copy);
  for (const Moved& m : moved) {
    const bool epochs = m.schedule->unit == Schedule::Unit::kEpochs;
    for (const Schedule::Point& point : m.schedule->points) {
      Move(moved, epochs ? point.at : 0, epochs ? 0 : point.at);
      const absl::Status status = check(&copy);
      if (status.ok()) continue;
      const std::string field = ErrorField(status).value_or("schedules");
      absl::string_view message = status.message();
      absl::ConsumePrefix(&message, absl::StrCat(field, " "));
      return InvalidField(field, absl::StrCat(message, ", which schedules[", m.number.path,
                                              "] brings about at ", point.at));
    }
  }
  return absl::OkStatus();
}

SamplerSpec SpecAt(const SamplerSpec& spec, uint64_t epoch, uint64_t first_step) {
  SamplerSpec at = spec;
  const std::vector<Moved> moved = MovedNumbers(&at);
  Move(moved, static_cast<double>(epoch), static_cast<double>(first_step));
  std::map<std::string, Schedule> followed;
  for (const Moved& m : moved) {
    if (m.number.every_step && m.schedule->unit == Schedule::Unit::kSteps) {
      followed[m.number.path] = *m.schedule;
    }
  }
  at.schedules = std::move(followed);
  return at;
}

}  // namespace subset::sampling
