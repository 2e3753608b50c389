#include "sampling/stratum_index.h"

#include <algorithm>
#include <limits>

#include "sampling/parts.h"

namespace subset::sampling {
namespace {

constexpr size_t kAhead = 32;  // samples whose slots are asked for before they are needed
constexpr uint32_t kNoSlot = std::numeric_limits<uint32_t>::max();  // of 2^32 slots it is one

uint64_t Square(Leaf leaf) {  // below 2^54
  const uint64_t weight = LeafWeight(leaf);
  return weight * weight;
}

}  // namespace

StratumIndex::StratumIndex(const Population& population, FillLeaves fill)
    : population_(population),
      sums_(population.num_strata()),
      weights_(population.size(), [&](absl::Span<Leaf> leaves, SumPart sum_part) {
        FillAndSum(fill, leaves, sum_part);
      }) {
  FindBases();
}

// Sums up each stratum's leaves of a part while these are in the cache.
void StratumIndex::FillAndSum(FillLeaves fill, absl::Span<Leaf> leaves, SumPart sum_part) {
  struct Piece {  // of a stratum, in one part
    size_t stratum;
    LeafSums sums;
  };
  std::vector<std::vector<Piece>> parts(NumParts(leaves.size()));
  fill(leaves, [&](uint64_t first, uint64_t last) {
    const LeafSums all = sum_part(first, last);
    std::vector<Piece>& pieces = parts[first / kPartSize];
    for (uint64_t slot = first; slot < last;) {
      const size_t g = pieces.empty() ? StratumOf(slot) : pieces.back().stratum + 1;
      const uint64_t end = std::min(last, population_.first(g) + population_.count(g));
      const bool whole = slot == first && end == last;
      pieces.push_back({g, whole ? all : SumLeaves(leaves.subspan(slot, end - slot))});
      slot = end;
    }
    return all;
  });
  for (const std::vector<Piece>& pieces : parts) {
    for (const Piece& piece : pieces) {
      Sums& sums = sums_[piece.stratum];
      sums.total += piece.sums.total;
      sums.total_squares += piece.sums.total_squares;
      sums.positive += piece.sums.positive;
    }
  }
}

void StratumIndex::FindBases() {
  uint64_t base = 0;
  for (Sums& sums : sums_) {
    sums.base = base;
    base += sums.total;
  }
}

size_t StratumIndex::StratumOf(uint64_t slot) const {
  return population_.strata == nullptr ? 0 : population_.strata->StratumOf(slot);
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
  FindBases();
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
