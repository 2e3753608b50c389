#include "sampling/cell_plan.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "base/log.h"
#include "sampling/parts.h"
#include "sampling/pruning.h"
#include "sampling/stored_set.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {
namespace {

constexpr size_t kGroup = 256;  // positions worked on at a time

RangeLookup SlotRanges(const CellLayout& layout) {
  std::vector<uint64_t> bounds = {0};
  for (const Cell& cell : layout.cells) bounds.push_back(bounds.back() + cell.slots);
  return RangeLookup(std::move(bounds));
}

bool IsDirect(const CellLayout& layout) {
  return layout.cells.size() == 1 && layout.members() == nullptr &&
         layout.cells[0].slots <= layout.cells[0].count;
}

Permutation SlotOrder(const CellLayout& layout, const StreamKey& key, uint64_t slots) {
  if (IsDirect(layout)) {
    return Permutation(layout.cells[0].count, DeriveKey(key, Purpose::kCellOrder));
  }
  return Permutation(slots, DeriveKey(key, Purpose::kSlotOrder));
}

// Whether the cells of this epoch depend on what the run has reported.
bool ReadsScores(const PlanInput& input) {
  const Preference& preference = input.spec.preference;
  switch (preference.kind) {
    case Preference::Kind::kUniform:
      return false;
    case Preference::Kind::kBelowMeanPruning:
      return preference.column.empty() && Prunes(preference, input.key.epoch);
    default:
      return preference.column.empty();
  }
}

}  // namespace

CellPlan::CellPlan(const PlanInput& input, const Population& population, CellLayout layout)
    : num_samples_(population.num_samples),
      num_eligible_(population.size()),
      epoch_(input.key.epoch),
      stored_(ReadsScores(input)),
      layout_(std::move(layout)),
      slots_(SlotRanges(layout_)),
      direct_(IsDirect(layout_)),
      order_(SlotOrder(layout_, input.key, slots_.total())) {
  if (!direct_) ChooseRemainders(input);
  if (!layout_.order.empty()) OrderByQuotas(input);
  FillTraits(input);
}

void CellPlan::OrderByQuotas(const PlanInput& input) {
  std::vector<uint32_t> shuffled(slots_.total());  // the slots of each cell
  std::vector<uint64_t> next(slots_.bounds().begin(), slots_.bounds().end() - 1);
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    if (layout_.cells[c].slots == 0) continue;
    const auto slots = absl::MakeSpan(shuffled).subspan(next[c], layout_.cells[c].slots);
    // Sub-stream 0 orders all slots where there are no quotas.
    const PhiloxKey key = DeriveKey(input.key, Purpose::kSlotOrder, c + 1);
    Permutation(slots.size(), key).Fill(0, slots);
    for (uint32_t& slot : slots) slot += static_cast<uint32_t>(next[c]);
  }
  quota_order_.reserve(shuffled.size());
  for (const uint16_t c : layout_.order) quota_order_.push_back(shuffled[next[c]++]);
  layout_.order = {};
}

void CellPlan::ChooseRemainders(const PlanInput& input) {
  const uint32_t* members = layout_.members();
  uint64_t total = 0;
  for (const Cell& cell : layout_.cells) total += cell.slots % cell.count;
  remainders_ = HugeArray<uint32_t>(total);
  uint32_t* remainder = remainders_.data();
  std::vector<std::pair<size_t, uint64_t>> parts;  // of the remainders: the cell, and where in it
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    const Cell& cell = layout_.cells[c];
    const uint64_t size = cell.slots % cell.count;
    sources_.push_back(
        {slots_.bounds()[c], cell.count, cell.slots - size, members + cell.first, remainder});
    for (uint64_t first = 0; first < size; first += kPartSize) parts.emplace_back(c, first);
    remainder += size;
  }
  RunParts(total > kPartSize ? input.executor : nullptr, parts.size(), [&](size_t part) {
    const auto [c, first] = parts[part];
    const Cell& cell = layout_.cells[c];
    const uint64_t count = std::min(kPartSize, cell.slots % cell.count - first);
    uint32_t* const out = remainders_.data() + (sources_[c].remainder - remainders_.data()) + first;
    // A table where the cell is small, which then is one part.
    const Permutation choice(cell.count, DeriveKey(input.key, Purpose::kCellOrder, c));
    choice.Fill(first, absl::MakeSpan(out, count));
    for (uint64_t k = 0; k < count; ++k) out[k] = members[cell.first + out[k]];
  });
}

void CellPlan::FillTraits(const PlanInput& input) {
  const bool weighted = input.spec.weight.target != Weight::Target::kNone;
  const double num_slots = static_cast<double>(slots_.total());
  traits_.num_positions = slots_.total();
  traits_.fell_back_to_uniform = layout_.fell_back_to_uniform;
  std::vector<double> exact;  // weight of each cell
  double largest = 0;
  uint64_t members = 0;
  double sum_squares = 0;  // of mu
  for (const Cell& cell : layout_.cells) {
    const double count = static_cast<double>(cell.count);
    const double mu = cell.expected_slots / count;
    probabilities_.push_back(mu);
    exact.push_back(weighted && mu > 0 ? layout_.mass / cell.inverse_target / mu : 1);
    if (mu > 0) largest = std::max(largest, exact.back());
    members += cell.count;
    sum_squares += count * mu * mu;
  }
  const WeightRule rule(input.spec.weight, largest);

  bool reached = members == num_eligible_;  // every sample can appear
  bool alike = true;                        // every sample with the same probability
  bool unchanged = true;                    // every weight is the exact one
  std::optional<size_t> first;              // cell with slots
  bool same_probability = true;
  bool same_weight = true;
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    const Cell& cell = layout_.cells[c];
    weights_.push_back(static_cast<float>(rule(exact[c])));
    unchanged &= weights_[c] == static_cast<float>(exact[c]);
    reached &= cell.slots > 0;
    alike &= probabilities_[c] == probabilities_[0];
    traits_.distinct_samples += std::min(cell.slots, cell.count);
    if (cell.slots > cell.count) traits_.probability_kind = ProbabilityKind::kExpectedCount;
    if (cell.slots == 0) continue;
    if (!first) first = c;
    same_probability &= probabilities_[c] == probabilities_[*first];
    same_weight &= weights_[c] == weights_[*first];
  }
  SUBSET_CHECK(first.has_value());
  if (same_probability) traits_.probability = probabilities_[*first];
  if (same_weight) traits_.weight = weights_[*first];
  traits_.effective_sample_ratio =
      num_slots * num_slots / (static_cast<double>(num_eligible_) * sum_squares);

  if (!reached || !(weighted ? unchanged : alike)) {
    traits_.unbiased_over = UnbiasedOver::kNothing;
  } else if (!quota_order_.empty() || (weighted && layout_.mass != num_slots)) {
    traits_.unbiased_over = UnbiasedOver::kEpoch;  // a batch's strata are not drawn
  }
}

const uint32_t* CellPlan::SampleAt(uint64_t slot, uint32_t cell) const {
  const Source& source = sources_[cell];
  uint64_t k = slot - source.first_slot;
  if (k >= source.full) return source.remainder + (k - source.full);
  if (k >= source.count) k %= source.count;
  return source.members + k;
}

void CellPlan::Draw(uint64_t position, absl::Span<uint32_t> indices,
                    absl::Span<double> probabilities, absl::Span<float> weights) const {
  if (quota_order_.empty()) {
    order_.Fill(position, indices);
  } else {
    std::copy_n(quota_order_.begin() + position, indices.size(), indices.begin());
  }
  if (direct_) {
    std::fill(probabilities.begin(), probabilities.end(), probabilities_[0]);
    std::fill(weights.begin(), weights.end(), weights_[0]);
    return;
  }
  // Addresses first, so that the cache misses of a group overlap.
  const uint32_t* samples[kGroup];
  for (size_t first = 0; first < indices.size(); first += kGroup) {
    const size_t count = std::min(kGroup, indices.size() - first);
    for (size_t k = 0; k < count; ++k) {
      const uint64_t slot = indices[first + k];
      const uint32_t cell = slots_.Find(slot);
      samples[k] = SampleAt(slot, cell);
      __builtin_prefetch(samples[k]);
      if (!probabilities.empty()) probabilities[first + k] = probabilities_[cell];
      if (!weights.empty()) weights[first + k] = weights_[cell];
    }
    for (size_t k = 0; k < count; ++k) indices[first + k] = *samples[k];
  }
}

void CellPlan::Expect(absl::Span<double> counts) const {
  std::fill(counts.begin(), counts.end(), 0);
  const uint32_t* members = layout_.members();
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    const Cell& cell = layout_.cells[c];
    for (uint64_t k = cell.first; k < cell.first + cell.count; ++k) {
      counts[members == nullptr ? k : members[k]] = probabilities_[c];
    }
  }
}

std::string CellPlan::Serialize() const {
  if (!stored_) return "";
  SampleSet set(num_samples_);
  for (const Cell& cell : layout_.cells) {
    if (!cell.stored) continue;
    for (uint64_t k = 0; k < cell.count; ++k) set.Insert(layout_.members()[cell.first + k]);
  }
  return SerializeSampleSet(set, num_samples_, epoch_);
}

}  // namespace subset::sampling
