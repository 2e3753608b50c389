#include "sampling/repeat_factor.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "sampling/columns.h"
#include "sampling/sample_set.h"

namespace subset::sampling {
namespace {

// How many samples have each label: an array where labels are small, as they mostly are.
class LabelCounts {
 public:
  uint64_t& operator[](uint32_t label) {
    if (label >= kDense) return sparse_[label];
    if (label >= dense_.size()) dense_.resize(label + 1);
    return dense_[label];
  }

 private:
  static constexpr uint32_t kDense = 1 << 20;

  std::vector<uint64_t> dense_;
  absl::flat_hash_map<uint32_t, uint64_t> sparse_;
};

}  // namespace

std::vector<double> RepeatFactors(const PlanInput& input, const Population& population) {
  const LabelSetView& sets = input.columns.label_sets.at(input.spec.preference.column);
  SampleSet eligible(population.num_samples);
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    eligible.Insert(population.sample(slot));
  }
  LabelCounts counts;
  ForEachLabelSet(sets, population.num_samples, [&](uint64_t i, absl::Span<const uint32_t> labels) {
    if (!eligible.Contains(i)) return;
    for (const uint32_t label : labels) ++counts[label];
  });
  const double n = static_cast<double>(population.size());
  const double threshold = input.spec.preference.threshold;
  std::vector<double> by_sample(population.num_samples, 1);
  ForEachLabelSet(sets, population.num_samples, [&](uint64_t i, absl::Span<const uint32_t> labels) {
    if (labels.empty() || !eligible.Contains(i)) return;
    uint64_t rarest = std::numeric_limits<uint64_t>::max();
    for (const uint32_t label : labels) rarest = std::min(rarest, counts[label]);
    const double share = static_cast<double>(rarest) / n;
    by_sample[i] = std::max(1.0, std::sqrt(threshold / share));
  });
  if (population.strata == nullptr) return by_sample;
  std::vector<double> by_slot(population.size());
  for (uint64_t slot = 0; slot < by_slot.size(); ++slot) {
    by_slot[slot] = by_sample[population.sample(slot)];
  }
  return by_slot;
}

}  // namespace subset::sampling
