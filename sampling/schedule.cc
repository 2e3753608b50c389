#include "sampling/schedule.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/leaf.h"

namespace subset::sampling {
namespace {

constexpr size_t kMaxPoints = 64;
constexpr double kPi = 3.14159265358979323846;

// cos(pi x) for x in [0, 1] with the same bits on every machine: the series of the sine about 1/2.
double CosPi(double x) {
  const double y = kPi * (0.5 - x);
  double sum = 1;  // of sin(y) / y, from the last term in
  for (int k = 24; k >= 2; k -= 2) sum = 1 - sum * y * y / (k * (k + 1));
  return y * sum;
}

// The value `part` in [0, 1] of the way from a to b. Only correctly rounded or own functions.
double Between(double a, double b, double part, Schedule::Curve curve) {
  switch (curve) {
    case Schedule::Curve::kHold:
      return a;
    case Schedule::Curve::kLinear:
      return a + (b - a) * part;
    case Schedule::Curve::kCosine:
      return b + (a - b) * (1 + CosPi(part)) / 2;
    case Schedule::Curve::kGeometric:
      return a * PortablePow(b / a, part);
    case Schedule::Curve::kRoot:
      return std::sqrt(a * a + (b * b - a * a) * part);
  }
  return a;
}

}  // namespace

double Schedule::At(double time) const {
  size_t next = 0;
  while (next < points.size() && points[next].at <= time) ++next;
  const Point& from = points[next - 1];
  if (next == points.size()) return from.value;
  const Point& to = points[next];
  const double part = (time - from.at) / (to.at - from.at);
  if (part == 0) return from.value;
  return Between(from.value, to.value, part, from.curve);
}

absl::Status CheckSchedule(absl::string_view field, const Schedule& schedule) {
  const std::vector<Schedule::Point>& points = schedule.points;
  if (points.empty() || points.size() > kMaxPoints) {
    return InvalidField(field, absl::StrCat("has ", points.size(), " points, which is outside [1, ",
                                            kMaxPoints, "]"));
  }
  if (points[0].at != 0) {
    return InvalidField(
        field, absl::StrCat("has a gap: its first point is at ", points[0].at, ", not at 0"));
  }
  for (size_t i = 0; i < points.size(); ++i) {
    const auto point = [&] { return absl::StrCat("point ", i, " at ", points[i].at); };
    if (!std::isfinite(points[i].at) || !std::isfinite(points[i].value)) {
      return InvalidField(field, absl::StrCat(point(), " is not finite"));
    }
    if (i == 0) continue;
    if (!(points[i].at > points[i - 1].at)) {
      return InvalidField(field, absl::StrCat(point(), " does not come after ", points[i - 1].at));
    }
    const bool positive = points[i - 1].value > 0 && points[i].value > 0;
    if (points[i - 1].curve == Schedule::Curve::kGeometric && !positive) {
      return InvalidField(field, absl::StrCat(point(), ": a GEOMETRIC curve needs values above 0"));
    }
    const bool rooted = points[i - 1].value >= 0 && points[i].value >= 0;
    if (points[i - 1].curve == Schedule::Curve::kRoot && !rooted) {
      return InvalidField(field,
                          absl::StrCat(point(), ": a ROOT curve needs values of at least 0"));
    }
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
