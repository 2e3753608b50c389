#include "sampling/inclusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "sampling/parts.h"
#include "sampling/permutation.h"

namespace subset::sampling {
namespace {

constexpr size_t kGroup = 1024;

uint64_t Units(double value) {
  if (!(value > 0)) return 0;
  return std::max<uint64_t>(1, static_cast<uint64_t>(value * 0x1p62));
}

struct UnitSums {
  uint64_t positive = 0;  // values
  uint64_t certain = 0;   // of them, how many have at least `least` units
  uint64_t rest = 0;      // the units of the others
};

UnitSums SumUnits(absl::Span<const double> values, uint64_t least, const Executor* executor) {
  std::vector<UnitSums> parts(NumParts(values.size()));
  ForEachPart(executor, values.size(), [&](size_t part, uint64_t first, uint64_t last) {
    UnitSums sums;
    for (uint64_t i = first; i < last; ++i) {
      const uint64_t units = Units(values[i]);
      const bool certain = units >= least;
      sums.positive += units > 0;
      sums.certain += certain && units > 0;
      sums.rest += certain ? 0 : units;
    }
    parts[part] = sums;
  });
  UnitSums all;
  for (const UnitSums& part : parts) {
    all.positive += part.positive;
    all.certain += part.certain;
    all.rest += part.rest;
  }
  return all;
}

}  // namespace

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

SystematicLaw::SystematicLaw(absl::Span<const double> values, uint64_t count,
                             const Executor* executor) {
  const UnitSums all = SumUnits(values, std::numeric_limits<uint64_t>::max(), executor);
  if (count >= all.positive) {
    certain_ = all.positive;
    return;
  }
  count_ = count;
  total_ = all.rest;
  // Whatever would be above 1 is certain; the others share what is left, until none is above it.
  for (bool grew = count > 0; grew;) {
    const UnitSums sums = SumUnits(values, LeastCertain(), executor);
    grew = sums.certain > certain_;
    certain_ = sums.certain;
    count_ = count - sums.certain;
    total_ = sums.rest;
  }
}

// The units u from which on count_ * u >= total_.
uint64_t SystematicLaw::LeastCertain() const {
  if (total_ == 0) return 0;
  if (count_ == 0) return std::numeric_limits<uint64_t>::max();
  return (total_ - 1) / count_ + 1;
}

double SystematicLaw::Probability(double value) const {
  const uint64_t units = Units(value);
  if (units == 0) return 0;
  if (units >= LeastCertain()) return 1;
  return static_cast<double>(count_) * static_cast<double>(units) / static_cast<double>(total_);
}

void SystematicLaw::Draw(absl::Span<const double> values, const PhiloxKey& order,
                         const PhiloxKey& point, uint32_t offset,
                         std::vector<uint32_t>* drawn) const {
  if (values.empty() || count() == 0) return;
  const Permutation permutation(values.size(), order);
  const uint64_t least_certain = LeastCertain();
  // The points are total_ apart; an item covers count_ units for each of its own, less than that.
  uint64_t next = total_ > 0 ? UniformInt(point, 0, total_) : 0;  // from what is covered on
  size_t taken = drawn->size();
  drawn->resize(taken + count() + 1);  // who is not taken is written behind the others
  uint32_t group[kGroup];
  for (uint64_t first = 0; first < values.size(); first += kGroup) {
    const size_t size = std::min<uint64_t>(kGroup, values.size() - first);
    permutation.Fill(first, absl::MakeSpan(group, size));
    for (size_t k = 0; k < size; ++k) __builtin_prefetch(&values[group[k]]);
    for (size_t k = 0; k < size; ++k) {
      const uint64_t units = Units(values[group[k]]);
      if (units == 0) continue;
      (*drawn)[taken] = offset + group[k];
      if (units >= least_certain) {
        ++taken;
        continue;
      }
      const uint64_t width = count_ * units;
      const bool hit = width > next;  // no branch: it is not predictable
      next += (total_ & -uint64_t{hit}) - width;
      taken += hit;
    }
  }
  drawn->resize(taken);
}

}  // namespace subset::sampling
