#include "sampling/systematic_law.h"

#include <algorithm>
#include <array>
#include <memory>

#include "sampling/inclusion.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kFew = 4096;  // leaves that are entries of their own
constexpr size_t kLeafCodes = 65536;

using Histogram = std::array<uint32_t, kLeafCodes>;  // of a range of fewer than 2^32 leaves

// Sums over leaves of a class whose mu is an affine function of the weight.
struct ClassSums {
  uint64_t leaves = 0;
  uint64_t total = 0;
  unsigned __int128 squares = 0;

  void Add(const LeafCount& entry) {
    leaves += entry.leaves;
    total += entry.leaves * entry.weight;
    squares += static_cast<unsigned __int128>(entry.leaves) * entry.weight * entry.weight;
  }
  // Adds mu = intercept + slope v.
  void AddTo(double intercept, double slope, RoundedLaw::Expectation* expected) const {
    const auto n = static_cast<double>(leaves);
    const auto sum = static_cast<double>(total);
    expected->sum += n * intercept + slope * sum;
    expected->squares += n * intercept * intercept + 2 * intercept * slope * sum +
                         slope * slope * static_cast<double>(squares);
    expected->leaves += leaves;
  }
};

}  // namespace

std::vector<LeafCount> CountLeaves(absl::Span<const Leaf> leaves, const Executor* executor) {
  std::vector<LeafCount> counts;
  if (leaves.size() <= kFew) {
    counts.reserve(leaves.size());
    for (const Leaf leaf : leaves) {
      if (leaf > 0) counts.push_back({1, LeafWeight(leaf)});
    }
    return counts;
  }
  const Ranges ranges(executor, leaves.size(), kPartSize);
  std::vector<std::unique_ptr<Histogram>> histograms(ranges.count());
  ranges.ForEach([&](size_t range, uint64_t first, uint64_t last) {
    auto histogram = std::make_unique<Histogram>();
    for (const Leaf leaf : leaves.subspan(first, last - first)) ++(*histogram)[leaf];
    histograms[range] = std::move(histogram);
  });
  for (size_t code = 1; code < kLeafCodes; ++code) {
    uint64_t count = 0;
    for (const auto& histogram : histograms) count += (*histogram)[code];
    if (count > 0) counts.push_back({count, LeafWeight(static_cast<Leaf>(code))});
  }
  return counts;
}

SystematicLaw::SystematicLaw(absl::Span<const LeafCount> leaves, uint64_t count) {
  for (const LeafCount& entry : leaves) {
    others_ += entry.leaves;
    total_ += entry.leaves * entry.weight;
  }
  if (count >= others_) {
    certain_ = others_;
    others_ = total_ = 0;
    least_certain_ = 1;
    return;
  }
  count_ = count;
  for (bool grew = count > 0; grew;) {
    const uint64_t least = (total_ - 1) / count_ + 1;  // count_ v >= total_ from here on
    least_certain_ = static_cast<uint32_t>(std::min<uint64_t>(least, least_certain_));
    SystematicLaw next;
    for (const LeafCount& entry : leaves) {
      const bool certain = entry.weight >= least_certain_;
      next.certain_ += certain ? entry.leaves : 0;
      next.others_ += certain ? 0 : entry.leaves;
      next.total_ += certain ? 0 : entry.leaves * entry.weight;
    }
    grew = next.certain_ > certain_;
    certain_ = next.certain_;
    others_ = next.others_;
    total_ = next.total_;
    count_ = count - certain_;  // fewer than others_, so not 0
  }
  if (count_ > 0) slope_ = static_cast<double>(count_) / static_cast<double>(total_);
}

RoundedLaw::RoundedLaw(absl::Span<const LeafCount> leaves, double target) {
  least_ = static_cast<uint64_t>(Snapped(target));
  up_ = Snapped(target) - static_cast<double>(least_);
  low_ = SystematicLaw(leaves, least_);
  if (up_ > 0) high_ = SystematicLaw(leaves, least_ + 1);
}

RoundedLaw::Expectation RoundedLaw::Expect(absl::Span<const LeafCount> leaves) const {
  Expectation expected;
  ClassSums certain;    // either way
  ClassSums sometimes;  // certain where the target is rounded up
  ClassSums others;
  for (const LeafCount& entry : leaves) {
    const double mu = Expected(entry.weight);
    expected.least = std::min(expected.least, mu);
    expected.largest = std::max(expected.largest, mu);
    if (entry.weight >= low_.least_certain()) {
      certain.Add(entry);
    } else if (up_ > 0 && entry.weight >= high_.least_certain()) {
      sometimes.Add(entry);
    } else {
      others.Add(entry);
    }
  }
  certain.AddTo(1, 0, &expected);
  sometimes.AddTo(up_, (1 - up_) * low_.slope(), &expected);
  others.AddTo(0, (1 - up_) * low_.slope() + up_ * high_.slope(), &expected);
  return expected;
}

}  // namespace subset::sampling
