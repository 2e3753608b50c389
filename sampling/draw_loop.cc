#include "sampling/draw_loop.h"

#include <algorithm>
#include <optional>

#include "sampling/jitter.h"
#include "sampling/permutation.h"

namespace subset::sampling {
namespace {

constexpr size_t kGroup = 256;          // positions drawn together
constexpr uint64_t kStratumStream = 1;  // sub-streams of Purpose::kDraw: 0 is the member

// What a group of draws gives beside its slots, before probabilities are computed.
struct Group {
  uint32_t values[kGroup];  // v_i
  uint32_t strata[kGroup];  // where there are several
};

// Which of a group follow the preference, by target, and which do not.
struct Picks {
  uint64_t targets[kGroup];
  uint32_t preferred[kGroup];
  uint32_t others[kGroup];
  size_t num_preferred = 0;
  size_t num_others = 0;
};

class Loop {
 public:
  Loop(const DrawSource& source, const Mixture& mixture, const WeightRule& rule,
       const StreamKey& key)
      : source_(source),
        mixture_(mixture),
        rule_(rule),
        key_(key),
        member_key_(DeriveKey(key, Purpose::kDraw)),
        stratum_key_(DeriveKey(key, Purpose::kDraw, kStratumStream)) {}

  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights);

 private:
  template <bool kOneStratum>
  void Pick(uint64_t position, absl::Span<uint32_t> slots, Group* group, Picks* picks);
  void PickJittered(uint64_t position, absl::Span<uint32_t> slots, Group* group, Picks* picks);
  void FindMembers(const Picks& picks, absl::Span<uint32_t> slots, Group* group);
  template <bool kOneStratum>
  void Weigh(absl::Span<const uint32_t> slots, const Group& group, absl::Span<double> probabilities,
             absl::Span<float> weights);
  template <bool kOneStratum>
  void DrawGroup(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
                 absl::Span<float> weights);

  const DrawSource& source_;
  const Mixture& mixture_;
  const WeightRule& rule_;
  const StreamKey key_;
  const PhiloxKey member_key_;
  const PhiloxKey stratum_key_;
  std::optional<Permutation> parts_;  // jittered: of the global batch from parts_first_ on
  uint64_t parts_first_ = 0;
};

// Chooses stratum, floor or preference, and what is left of the choice for each position.
template <bool kOneStratum>
void Loop::Pick(uint64_t position, absl::Span<uint32_t> slots, Group* group, Picks* picks) {
  const size_t count = slots.size();
  PhiloxBlock member_blocks[kGroup];
  PhiloxBlock stratum_blocks[kOneStratum ? 1 : kGroup];
  PhiloxFill(member_key_, position, 0, absl::MakeSpan(member_blocks, count));
  if (!kOneStratum) {
    PhiloxFill(stratum_key_, position, 0, absl::MakeSpan(stratum_blocks, count));
  }
  const Leaf* leaves =
      source_.index == nullptr ? nullptr : source_.index->weights().leaves().data();
  const MixedStratum only = mixture_.strata[0];  // a copy: no store below can change it
  size_t num_preferred = 0;
  size_t num_others = 0;
  for (size_t j = 0; j < count; ++j) {
    uint32_t g = 0;
    if (!kOneStratum) {
      g = source_.quotas != nullptr
              ? source_.quotas[position + j]
              : mixture_.shares.Find(UniformIntFromBlock(stratum_blocks[j], stratum_key_,
                                                         position + j, mixture_.shares.total()));
      group->strata[j] = g;
    }
    const MixedStratum& stratum = kOneStratum ? only : mixture_.strata[g];
    const bool prefer =
        (BlockHigh(member_blocks[j]) >= stratum.other_threshold) & (stratum.preferred_total > 0);
    const uint64_t range = prefer ? stratum.preferred_total : stratum.count;
    const uint64_t pick = UniformIntFromBlock(member_blocks[j], member_key_, position + j, range);
    picks->targets[num_preferred] = stratum.base + pick;
    picks->preferred[num_preferred] = static_cast<uint32_t>(j);
    num_preferred += prefer;
    slots[j] = static_cast<uint32_t>(stratum.first + pick);
    picks->others[num_others] = static_cast<uint32_t>(j);
    num_others += !prefer;
    if (!prefer && leaves != nullptr) __builtin_prefetch(leaves + slots[j]);
  }
  picks->num_preferred = num_preferred;
  picks->num_others = num_others;
  if (source_.stale->empty()) return;
  for (size_t k = 0; k < num_others; ++k) {
    const uint32_t j = picks->others[k];
    const uint32_t g = kOneStratum ? 0 : group->strata[j];
    if (BlockHigh(member_blocks[j]) >= mixture_.strata[g].refresh_threshold) continue;
    const uint64_t first = source_.stale->offsets[g];
    const uint64_t pick =
        UniformIntFromBlock(member_blocks[j], member_key_, position + j, source_.stale->count(g));
    slots[j] = source_.stale->slots[first + pick];
  }
}

// The same for the parts of global batches, whose positions are in a keyed order.
void Loop::PickJittered(uint64_t position, absl::Span<uint32_t> slots, Group* group, Picks* picks) {
  const size_t count = slots.size();
  PhiloxBlock blocks[kGroup];
  PhiloxFill(member_key_, position, 0, absl::MakeSpan(blocks, count));
  for (size_t j = 0; j < count; ++j) {
    const uint64_t in_batch = (position + j) % source_.batch_size;
    const uint64_t batch_first = position + j - in_batch;
    if (!parts_.has_value() || batch_first != parts_first_) {
      parts_.emplace(std::min(source_.batch_size, source_.num_positions - batch_first),
                     DeriveKey(key_, Purpose::kJitterOrder, batch_first / source_.batch_size));
      parts_first_ = batch_first;
    }
    JitteredNumber number(blocks[j], parts_->At(in_batch), parts_->size());
    uint32_t g = 0;
    if (mixture_.strata.size() > 1) {
      const uint64_t unit = number.Take(mixture_.shares.total());
      g = mixture_.shares.Find(unit);
      const std::vector<uint64_t>& bounds = mixture_.shares.bounds();
      number.Widen(unit - bounds[g], bounds[g + 1] - bounds[g]);
    }
    group->strata[j] = g;
    const MixedStratum& stratum = mixture_.strata[g];
    // The stale, then the floor, then the preference.
    const uint64_t bounds[] = {0, stratum.refresh_threshold,
                               stratum.preferred_total > 0 ? stratum.other_threshold : UINT64_MAX};
    const uint64_t coin = number.Take(UINT64_MAX);
    const size_t kind = coin < bounds[1] ? 0 : coin < bounds[2] ? 1 : 2;
    number.Widen(coin - bounds[kind], (kind == 2 ? UINT64_MAX : bounds[kind + 1]) - bounds[kind]);
    if (kind == 2) {
      picks->targets[picks->num_preferred] = stratum.base + number.Take(stratum.preferred_total);
      picks->preferred[picks->num_preferred++] = static_cast<uint32_t>(j);
      continue;
    }
    picks->others[picks->num_others++] = static_cast<uint32_t>(j);
    if (kind == 1) {
      slots[j] = static_cast<uint32_t>(stratum.first + number.Take(stratum.count));
    } else {
      const StaleSlots& stale = *source_.stale;
      slots[j] = stale.slots[stale.offsets[g] + number.Take(stale.count(g))];
    }
  }
}

// Finds the members of the targets, and what all of them weigh. The index is walked once for all,
// so that its cache misses overlap.
void Loop::FindMembers(const Picks& picks, absl::Span<uint32_t> slots, Group* group) {
  if (picks.num_others == 0) {  // nothing to put apart
    source_.index->weights().Find(absl::MakeConstSpan(picks.targets, slots.size()), slots,
                                  absl::MakeSpan(group->values, slots.size()));
    return;
  }
  if (picks.num_preferred > 0) {
    uint32_t found[kGroup];
    uint32_t values[kGroup];
    source_.index->weights().Find(absl::MakeConstSpan(picks.targets, picks.num_preferred),
                                  absl::MakeSpan(found, picks.num_preferred),
                                  absl::MakeSpan(values, picks.num_preferred));
    for (size_t k = 0; k < picks.num_preferred; ++k) {
      slots[picks.preferred[k]] = found[k];
      group->values[picks.preferred[k]] = values[k];
    }
  }
  const Leaf* leaves =
      source_.index == nullptr ? nullptr : source_.index->weights().leaves().data();
  for (size_t k = 0; k < picks.num_others; ++k) {
    const uint32_t j = picks.others[k];
    group->values[j] = leaves == nullptr ? 0 : LeafWeight(leaves[slots[j]]);
  }
}

template <bool kOneStratum>
void Loop::Weigh(absl::Span<const uint32_t> slots, const Group& group,
                 absl::Span<double> probabilities, absl::Span<float> weights) {
  const size_t count = std::max(probabilities.size(), weights.size());
  double room[kGroup];
  double* q = probabilities.empty() ? room : probabilities.data();
  const MixedStratum* strata = mixture_.strata.data();
  const double slope = strata[0].slope;
  const double intercept = strata[0].intercept;
  for (size_t j = 0; j < count; ++j) {
    if (kOneStratum) {
      q[j] = slope * static_cast<int32_t>(group.values[j]) + intercept;
    } else {
      const MixedStratum& stratum = strata[group.strata[j]];
      q[j] = stratum.slope * static_cast<int32_t>(group.values[j]) + stratum.intercept;
    }
  }
  if (!source_.stale->empty()) {
    for (size_t j = 0; j < count; ++j) {
      if (source_.stale->members.Contains(slots[j])) {
        q[j] += strata[kOneStratum ? 0 : group.strata[j]].refresh;
      }
    }
  }
  if (weights.empty()) return;
  if (!source_.weighted) {
    std::fill(weights.begin(), weights.end(), 1.0f);
    return;
  }
  const double target = strata[0].target;
  float* const w = weights.data();
  for (size_t j = 0; j < count; ++j) {
    const double r = kOneStratum ? target : strata[group.strata[j]].target;
    w[j] = static_cast<float>(r / q[j]);
  }
  if (rule_.exact()) return;
  for (size_t j = 0; j < count; ++j) {
    const double r = kOneStratum ? target : strata[group.strata[j]].target;
    w[j] = static_cast<float>(rule_(r / q[j]));
  }
}

template <bool kOneStratum>
void Loop::DrawGroup(uint64_t position, absl::Span<uint32_t> indices,
                     absl::Span<double> probabilities, absl::Span<float> weights) {
  Group group;
  Picks picks;
  if (source_.jittered) {
    PickJittered(position, indices, &group, &picks);
  } else {
    Pick<kOneStratum>(position, indices, &group, &picks);
  }
  FindMembers(picks, indices, &group);
  if (!probabilities.empty() || !weights.empty()) {
    Weigh<kOneStratum>(indices, group, probabilities, weights);
  }
  const Strata* strata = source_.population->strata.get();
  if (strata == nullptr) return;
  for (uint32_t& index : indices) index = strata->members[index];
}

void Loop::Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
                absl::Span<float> weights) {
  const auto draw = mixture_.strata.size() == 1 ? &Loop::DrawGroup<true> : &Loop::DrawGroup<false>;
  for (size_t first = 0; first < indices.size(); first += kGroup) {
    (this->*draw)(position + first, indices.subspan(first, kGroup),
                  probabilities.empty() ? probabilities : probabilities.subspan(first, kGroup),
                  weights.empty() ? weights : weights.subspan(first, kGroup));
  }
}

}  // namespace

void DrawPositions(const DrawSource& source, const Mixture& mixture, const WeightRule& rule,
                   const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                   absl::Span<double> probabilities, absl::Span<float> weights) {
  Loop(source, mixture, rule, key).Draw(position, indices, probabilities, weights);
}

}  // namespace subset::sampling
