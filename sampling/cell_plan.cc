#include "sampling/cell_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/types/span.h"
#include "base/log.h"
#include "sampling/parts.h"
#include "sampling/pruning.h"
#include "sampling/stored_set.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kGroup = 256;  // positions worked on at a time

RangeLookup SlotRanges(const CellLayout& layout) {
  std::vector<uint64_t> bounds = {0};
  for (const Cell& cell : layout.cells) bounds.push_back(bounds.back() + cell.slots);
  return RangeLookup(std::move(bounds));
}

bool IsDirect(const CellLayout& layout) {
  return layout.cells.size() == 1 && layout.strata == nullptr && !layout.split &&
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

CellPlan::CellPlan(const PlanInput& input, uint64_t num_eligible, CellLayout layout)
    : num_samples_(input.num_samples),
      num_eligible_(num_eligible),
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
  uint64_t total = 0;
  std::vector<size_t> partial;  // cells with a remainder
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    const Cell& cell = layout_.cells[c];
    const uint64_t size = cell.slots % cell.count;
    sources_.push_back({slots_.bounds()[c], cell.first, cell.count, cell.slots - size, total});
    total += size;
    if (size > 0) partial.push_back(c);
  }
  const auto choice_of = [&](size_t c) {
    return Permutation(layout_.cells[c].count, DeriveKey(input.key, Purpose::kCellOrder, c));
  };
  if (partial.size() == 1) {
    choice_.emplace(choice_of(partial[0]));
    choice_first_ = static_cast<uint32_t>(layout_.cells[partial[0]].first);
    return;
  }
  remainders_ = HugeArray<uint32_t>(total);
  std::vector<std::pair<size_t, uint64_t>> parts;  // of the remainders: the cell, and where in it
  for (const size_t c : partial) {
    const uint64_t size = layout_.cells[c].slots % layout_.cells[c].count;
    for (uint64_t first = 0; first < size; first += kPartSize) parts.emplace_back(c, first);
  }
  RunParts(total > kPartSize ? input.executor : nullptr, parts.size(), [&](size_t part) {
    const auto [c, first] = parts[part];
    const Cell& cell = layout_.cells[c];
    const uint64_t count = std::min(kPartSize, cell.slots % cell.count - first);
    const auto out = absl::MakeSpan(remainders_.data() + sources_[c].remainder + first, count);
    choice_of(c).Fill(first, out);  // a table where the cell is small, which then is one part
    for (uint32_t& number : out) number += static_cast<uint32_t>(cell.first);
    layout_.FindSamples(out);
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
  for (size_t first = 0; first < indices.size(); first += kGroup) {
    const size_t count = std::min(kGroup, indices.size() - first);
    DrawGroup(indices.subspan(first, count),
              probabilities.empty() ? probabilities : probabilities.subspan(first, count),
              weights.empty() ? weights : weights.subspan(first, count));
  }
}

void CellPlan::DrawGroup(absl::Span<uint32_t> slots, absl::Span<double> probabilities,
                         absl::Span<float> weights) const {
  // Of whole passes the number of the member; of remainders the place.
  uint32_t members[kGroup];
  uint32_t remainders[kGroup];
  uint16_t member_at[kGroup];
  uint16_t remainder_at[kGroup];
  size_t num_members = 0;
  size_t num_remainders = 0;
  for (size_t k = 0; k < slots.size(); ++k) {
    const uint32_t cell = slots_.Find(slots[k]);
    if (!probabilities.empty()) probabilities[k] = probabilities_[cell];
    if (!weights.empty()) weights[k] = weights_[cell];
    const Source& source = sources_[cell];
    const uint64_t slot = slots[k] - source.first_slot;
    // No branch on this: it is not predictable.
    const uint64_t whole = 0 - static_cast<uint64_t>(slot < source.full);
    uint64_t member = slot & whole;
    if (member >= source.count) member %= source.count;
    member += source.first_member;
    layout_.Prefetch(member);
    members[num_members] = static_cast<uint32_t>(member);
    member_at[num_members] = static_cast<uint16_t>(k);
    num_members += whole & 1;
    const uint64_t remainder = (source.remainder + slot - source.full) & ~whole;
    __builtin_prefetch(remainders_.data() + remainder);
    remainders[num_remainders] = static_cast<uint32_t>(remainder);
    remainder_at[num_remainders] = static_cast<uint16_t>(k);
    num_remainders += ~whole & 1;
  }
  if (choice_) {
    choice_->Map(absl::MakeSpan(remainders, num_remainders));
    for (size_t k = 0; k < num_remainders; ++k) {
      members[num_members] = choice_first_ + remainders[k];
      member_at[num_members++] = remainder_at[k];
    }
    num_remainders = 0;
  }
  layout_.FindSamples(absl::MakeSpan(members, num_members));
  for (size_t k = 0; k < num_members; ++k) slots[member_at[k]] = members[k];
  for (size_t k = 0; k < num_remainders; ++k) slots[remainder_at[k]] = remainders_[remainders[k]];
}

void CellPlan::Expect(absl::Span<double> counts) const {
  std::fill(counts.begin(), counts.end(), 0);
  uint32_t samples[kGroup];
  for (size_t c = 0; c < layout_.cells.size(); ++c) {
    const Cell& cell = layout_.cells[c];
    for (uint64_t first = 0; first < cell.count; first += kGroup) {
      const auto some = absl::MakeSpan(samples, std::min(kGroup, cell.count - first));
      std::iota(some.begin(), some.end(), static_cast<uint32_t>(cell.first + first));
      layout_.FindSamples(some);
      for (const uint32_t sample : some) counts[sample] = probabilities_[c];
    }
  }
}

std::string CellPlan::Serialize() const {
  if (!stored_) return "";
  return SerializeSampleSet(layout_.SplitSet(num_samples_), num_samples_, epoch_);
}

}  // namespace subset::sampling
