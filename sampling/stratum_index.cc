#include "sampling/stratum_index.h"

#include <algorithm>
#include <utility>

namespace subset::sampling {
namespace {

unsigned __int128 Square(Leaf leaf) {
  const uint64_t weight = LeafWeight(leaf);
  return weight * weight;
}

}  // namespace

StratumIndex::StratumIndex(std::shared_ptr<const Strata> strata, uint64_t num_samples,
                           absl::FunctionRef<void(uint64_t, absl::Span<Leaf>)> fill)
    : strata_(std::move(strata)), weights_(num_samples, fill) {
  const absl::Span<const Leaf> all = weights_.leaves();
  const size_t num_strata = strata_ == nullptr ? 1 : strata_->values.size();
  uint64_t base = 0;
  for (size_t g = 0; g < num_strata; ++g) {
    const uint64_t first = strata_ == nullptr ? 0 : strata_->offsets[g];
    const uint64_t last = strata_ == nullptr ? all.size() : strata_->offsets[g + 1];
    Sums sums;
    sums.base = base;
    for (uint64_t slot = first; slot < last; ++slot) {
      sums.total += LeafWeight(all[slot]);
      sums.total_squares += Square(all[slot]);
      sums.positive += all[slot] > 0;
    }
    base += sums.total;
    sums_.push_back(sums);
  }
}

void StratumIndex::FindSlots() {
  slots_.resize(weights_.size());
  for (uint64_t slot = 0; slot < slots_.size(); ++slot) {
    slots_[strata_->members[slot]] = static_cast<uint32_t>(slot);
  }
}

void StratumIndex::Update(absl::Span<const uint32_t> samples, absl::Span<const Leaf> leaves) {
  if (strata_ != nullptr && slots_.empty()) FindSlots();
  std::vector<uint32_t> found;
  if (strata_ != nullptr) {
    found.reserve(samples.size());
    for (const uint32_t sample : samples) found.push_back(slots_[sample]);
  }
  const absl::Span<const uint32_t> slots = strata_ == nullptr ? samples : found;
  // A repeated sample replaces its own earlier leaf: the changes add up to that of the last one.
  std::vector<Leaf> replaced(slots.size());
  weights_.Set(slots, leaves, absl::MakeSpan(replaced));
  for (size_t k = 0; k < slots.size(); ++k) {
    size_t g = 0;
    if (strata_ != nullptr) {
      const auto& offsets = strata_->offsets;
      g = std::upper_bound(offsets.begin(), offsets.end(), slots[k]) - offsets.begin() - 1;
    }
    Sums& sums = sums_[g];
    sums.total += uint64_t{LeafWeight(leaves[k])} - LeafWeight(replaced[k]);
    sums.total_squares += Square(leaves[k]) - Square(replaced[k]);
    sums.positive += uint64_t{leaves[k] > 0} - uint64_t{replaced[k] > 0};
  }
  uint64_t base = 0;
  for (Sums& sums : sums_) {
    sums.base = base;
    base += sums.total;
  }
}

uint64_t StratumIndex::memory_bytes() const {
  return weights_.memory_bytes() + sums_.capacity() * sizeof(Sums) +
         slots_.capacity() * sizeof(uint32_t);
}

}  // namespace subset::sampling
