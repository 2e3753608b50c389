#include "sampling/stratum_index.h"

#include <algorithm>
#include <limits>

#include "sampling/leaf_bulk.h"

namespace subset::sampling {
namespace {

constexpr size_t kAhead = 32;  // samples whose slots are asked for before they are needed
constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();  // of 2^32 slots it is one

uint64_t Square(Leaf leaf) {  // below 2^54
  const uint64_t weight = LeafWeight(leaf);
  return weight * weight;
}

}  // namespace

StratumIndex::StratumIndex(const Population& population,
                           absl::FunctionRef<void(absl::Span<Leaf>)> fill)
    : population_(population), weights_(population.size(), fill) {
  uint64_t base = 0;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const LeafSums sums =
        SumLeaves(weights_.leaves().subspan(population.first(g), population.count(g)));
    sums_.push_back({base, sums.total, sums.total_squares, sums.positive});
    base += sums.total;
  }
}

void StratumIndex::FindSlots() {
  stratum_of_slot_ = RangeLookup(population_.strata->offsets);
  slots_ = HugeArray<uint32_t>(population_.num_samples);
  std::fill_n(slots_.data(), slots_.size(), kNoSlot);
  for (uint64_t slot = 0; slot < weights_.size(); ++slot) {
    slots_[population_.sample(slot)] = static_cast<uint32_t>(slot);
  }
}

void StratumIndex::Update(absl::Span<const uint32_t> samples, absl::Span<const Leaf> leaves) {
  if (population_.strata == nullptr) return SetSlots(samples, leaves);
  if (slots_.size() == 0) FindSlots();
  std::vector<uint32_t> found;
  std::vector<Leaf> found_leaves;
  found.reserve(samples.size());
  found_leaves.reserve(samples.size());
  for (size_t k = 0; k < samples.size(); ++k) {
    if (k + kAhead < samples.size()) __builtin_prefetch(&slots_[samples[k + kAhead]]);
    const uint32_t slot = slots_[samples[k]];
    if (slot >= weights_.size()) continue;
    found.push_back(slot);
    found_leaves.push_back(leaves[k]);
  }
  SetSlots(found, found_leaves);
}

void StratumIndex::SetSlots(absl::Span<const uint32_t> slots, absl::Span<const Leaf> leaves) {
  // A repeated sample replaces its own earlier leaf: the changes add up to that of the last one.
  std::vector<Leaf> replaced(slots.size());
  weights_.Set(slots, leaves, absl::MakeSpan(replaced));
  for (size_t k = 0; k < slots.size(); ++k) {
    size_t g = 0;
    if (sums_.size() > 1) g = stratum_of_slot_.Find(slots[k]);
    Sums& sums = sums_[g];
    sums.total += uint64_t{LeafWeight(leaves[k])} - LeafWeight(replaced[k]);
    sums.total_squares += Square(leaves[k]);
    sums.total_squares -= Square(replaced[k]);
    sums.positive += uint64_t{leaves[k] > 0} - uint64_t{replaced[k] > 0};
  }
  if (least_.has_value()) least_->Update(weights_.leaves(), slots);
  uint64_t base = 0;
  for (Sums& sums : sums_) {
    sums.base = base;
    base += sums.total;
  }
}

Leaf StratumIndex::LeastPositive(size_t g) const {
  const uint64_t first = population_.first(g);
  return least_->Find(weights_.leaves(), first, first + population_.count(g));
}

uint64_t StratumIndex::memory_bytes() const {
  return weights_.memory_bytes() + sums_.capacity() * sizeof(Sums) +
         slots_.size() * sizeof(uint32_t) +
         (slots_.size() == 0 ? 0 : stratum_of_slot_.memory_bytes());
}

}  // namespace subset::sampling
