#include "sampling/inclusion.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace subset::sampling {

double WaterLevel(absl::Span<const double> values, absl::Span<const double> caps, double total) {
  const auto cap = [&](size_t i) { return caps[caps.size() == 1 ? 0 : i]; };
  double level = 0;
  for (bool grew = total > 0; grew;) {
    double rest = total;  // what is left to those below their caps
    double sum = 0;       // of their values
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] == 0) continue;
      if (level * values[i] >= cap(i)) {
        rest -= cap(i);
      } else {
        sum += values[i];
      }
    }
    if (sum == 0) return level == 0 ? 0 : std::numeric_limits<double>::infinity();
    const double next = rest / sum;
    grew = next > level;
    level = std::max(level, next);
  }
  return level;
}

double AtLevel(double value, double cap, double level) {
  return value == 0 ? 0 : std::min(cap, level * value);
}

double Snapped(double x) {
  const double nearest = std::round(x);
  return std::abs(x - nearest) <= 1e-12 * std::max(1.0, x) ? nearest : x;
}

std::vector<uint64_t> RoundTargets(absl::Span<const double> targets, const PhiloxKey& key) {
  const double offset = UniformDouble(key, 0);
  std::vector<uint64_t> counts;
  counts.reserve(targets.size());
  double fractions = 0;  // what rounding down has left over so far
  double before = 0;
  for (const double target : targets) {
    const double whole = std::floor(Snapped(target));
    fractions += Snapped(target) - whole;
    const double until = std::floor(fractions + offset);
    counts.push_back(static_cast<uint64_t>(whole + until - before));
    before = until;
  }
  return counts;
}

}  // namespace subset::sampling
