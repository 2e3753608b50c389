#include "sampling/inclusion.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sampling/merge_parts.h"

namespace subset::sampling {

double WaterLevel(absl::Span<const double> values, absl::Span<const double> caps, double total,
                  const Executor* executor) {
  struct Sums {
    double capped = 0;  // of the caps that are reached
    double below = 0;   // of the values of the others
  };
  const auto sums_at = [&](double level) {
    return MergeParts(
        executor, values.size(),
        [&](uint64_t first, uint64_t last) {
          Sums sums;
          for (uint64_t i = first; i < last; ++i) {
            if (values[i] == 0) continue;
            const double cap = caps[caps.size() == 1 ? 0 : i];
            const bool reached = level * values[i] >= cap;
            sums.capped += reached ? cap : 0;
            sums.below += reached ? 0 : values[i];
          }
          return sums;
        },
        [](const Sums& part, Sums* all) {
          all->capped += part.capped;
          all->below += part.below;
        });
  };
  double level = 0;
  for (bool grew = total > 0; grew;) {
    const Sums sums = sums_at(level);
    if (sums.below == 0) return level == 0 ? 0 : std::numeric_limits<double>::infinity();
    const double next = (total - sums.capped) / sums.below;
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
