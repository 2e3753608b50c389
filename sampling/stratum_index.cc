#include "sampling/stratum_index.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"

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
  // From the end, so that the last leaf of a sample is the one that counts, and once.
  absl::flat_hash_set<uint32_t> seen;
  seen.reserve(samples.size());
  std::vector<uint32_t> slots;
  std::vector<Leaf> values;
  for (size_t k = samples.size(); k-- > 0;) {
    const uint64_t slot = Slot(samples[k]);
    if (!seen.insert(static_cast<uint32_t>(slot)).second) continue;
    slots.push_back(static_cast<uint32_t>(slot));
    values.push_back(leaves[k]);
    const Leaf before = weights_.leaf(slot);
    size_t g = 0;
    if (strata_ != nullptr) {
      const auto& offsets = strata_->offsets;
      g = std::upper_bound(offsets.begin(), offsets.end(), slot) - offsets.begin() - 1;
    }
    Sums& sums = sums_[g];
    sums.total += uint64_t{LeafWeight(leaves[k])} - LeafWeight(before);
    sums.total_squares += Square(leaves[k]) - Square(before);
    sums.positive += uint64_t{leaves[k] > 0} - uint64_t{before > 0};
  }
  weights_.Set(slots, values);
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
