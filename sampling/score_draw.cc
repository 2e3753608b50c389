#include "sampling/score_draw.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/bytes.h"
#include "sampling/leaf_scale.h"
#include "sampling/range_lookup.h"
#include "sampling/shares.h"
#include "sampling/stratum_index.h"

namespace subset::sampling {
namespace {

constexpr size_t kGroup = 256;          // positions drawn together
constexpr uint32_t kForm = 0x53443031;  // of Serialize
constexpr uint64_t kStratumStream = 1;  // sub-streams of Purpose::kDraw: 0 is the member
constexpr double kTwo64 = 18446744073709551616.0;

// q_i = slope * v_i + intercept for the members of a stratum.
struct Stratum {
  uint64_t first = 0;  // slots [first, first + count)
  uint64_t count = 0;
  double share = 1;              // p_g
  double target = 0;             // r_i
  uint64_t base = 0;             // targets [base, base + preferred_total)
  uint64_t preferred_total = 0;  // V_g; 0 where every draw is uniform
  double slope = 0;
  double intercept = 0;
};

class IndexedScoreDraw final : public ScoreDraw {
 public:
  IndexedScoreDraw(const PlanInput& input, uint64_t num_positions);

  // The two ways to get leaves; neither for a uniform preference.
  void BuildIndex(const ScoreView& scores);
  absl::Status ParseIndex(absl::string_view serialized);

  PlanTraits traits() const override;
  void Draw(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
            absl::Span<double> probabilities, absl::Span<float> weights) const override;
  void Update(absl::Span<const uint32_t> indices, absl::Span<const float> scores) override;
  std::string Serialize() const override;
  uint64_t memory_bytes() const override;

 private:
  struct Keys {
    PhiloxKey member;
    PhiloxKey stratum;
  };

  // What a group of draws gives beside its slots, before probabilities are computed.
  struct Group {
    uint32_t values[kGroup];  // v_i
    uint32_t strata[kGroup];  // where there are several
  };

  void Refresh();
  template <bool kOneStratum>
  void DrawMembers(const Keys& keys, uint64_t position, absl::Span<uint32_t> slots,
                   Group* group) const;
  template <bool kOneStratum>
  void Weigh(const Group& group, absl::Span<double> probabilities, absl::Span<float> weights) const;
  template <bool kOneStratum>
  void DrawGroup(const Keys& keys, uint64_t position, absl::Span<uint32_t> indices,
                 absl::Span<double> probabilities, absl::Span<float> weights) const;

  // Constant after construction.
  const uint64_t num_samples_;
  const uint64_t num_positions_;
  const double floor_;              // lambda
  const uint64_t floor_threshold_;  // of 2^64; lambda = 1 is handled by preferred_total
  const Weight weight_;
  const double alpha_;
  const Guard guard_;
  const bool score_driven_;
  std::shared_ptr<const Strata> strata_;  // where there are several
  RangeLookup shares_;

  // Changed by Update.
  std::optional<LeafScale> scale_;
  std::optional<StratumIndex> index_;
  std::vector<Stratum> stratum_;
  bool any_positive_ = false;  // score, ever
  uint64_t clamped_ = 0;
};

uint64_t Threshold(double probability) {
  return probability < 1 ? static_cast<uint64_t>(probability * kTwo64) : 0;
}

IndexedScoreDraw::IndexedScoreDraw(const PlanInput& input, uint64_t num_positions)
    : num_samples_(input.num_samples),
      num_positions_(num_positions),
      floor_(input.spec.guard.uniform_floor),
      floor_threshold_(Threshold(floor_)),
      weight_(input.spec.weight),
      alpha_(input.spec.preference.alpha),
      guard_(input.spec.guard),
      score_driven_(input.spec.score_driven()) {
  if (input.strata != nullptr && !input.spec.proportion.column.empty() &&
      input.strata->values.size() > 1) {
    strata_ = input.strata;
    const Shares shares = SharesOf(input.spec.proportion, *strata_);
    for (size_t g = 0; g < strata_->values.size(); ++g) {
      Stratum stratum;
      stratum.first = strata_->offsets[g];
      stratum.count = strata_->count(g);
      stratum.share = shares.share(g);
      stratum_.push_back(stratum);
    }
    shares_ = RangeLookup(shares.cumulative);
  } else {
    stratum_.resize(1);
    stratum_[0].count = num_samples_;
  }
  for (Stratum& stratum : stratum_) {
    const bool balanced = weight_.target == Weight::Target::kBalanced;
    stratum.target =
        balanced ? 1 / (static_cast<double>(stratum_.size()) * static_cast<double>(stratum.count))
                 : 1 / static_cast<double>(num_samples_);
  }
  Refresh();
}

// Takes the sums of the index into the constants of each stratum.
void IndexedScoreDraw::Refresh() {
  for (size_t g = 0; g < stratum_.size(); ++g) {
    Stratum& stratum = stratum_[g];
    const uint64_t total = index_.has_value() && floor_ < 1 ? index_->sums()[g].total : 0;
    const double members = static_cast<double>(stratum.count);
    stratum.preferred_total = total;
    if (total == 0) {
      stratum.slope = 0;
      stratum.intercept = stratum.share / members;
    } else {
      stratum.base = index_->sums()[g].base;
      stratum.slope = stratum.share * (1 - floor_) / static_cast<double>(total);
      stratum.intercept = stratum.share * floor_ / members;
    }
  }
}

void IndexedScoreDraw::BuildIndex(const ScoreView& scores) {
  scale_ = LeafScale::Fit(scores, num_samples_, alpha_, guard_, &any_positive_);
  const auto fill = [&](uint64_t first, absl::Span<Leaf> out) {
    for (size_t k = 0; k < out.size(); ++k) {
      const uint64_t slot = first + k;
      bool clamped = false;
      out[k] = scale_->Encode(scores[strata_ == nullptr ? slot : strata_->members[slot]], &clamped);
      clamped_ += clamped;
    }
  };
  index_.emplace(strata_, num_samples_, fill);
  Refresh();
}

PlanTraits IndexedScoreDraw::traits() const {
  PlanTraits traits;
  traits.num_positions = num_positions_;
  traits.probability_kind = ProbabilityKind::kPerDraw;
  traits.clamped_leaves = clamped_;
  double sum_squares = 0;  // of q_i
  bool same = true;        // q_i everywhere
  bool same_weight = true;
  for (size_t g = 0; g < stratum_.size(); ++g) {
    const Stratum& stratum = stratum_[g];
    const double a = stratum.slope;
    const double b = stratum.intercept;
    const double members = static_cast<double>(stratum.count);
    sum_squares += members * b * b;
    if (stratum.preferred_total == 0) {
      traits.distinct_samples += stratum.count;
      traits.fell_back_to_uniform |= score_driven_ && floor_ < 1;
    } else {
      const StratumIndex::Sums& sums = index_->sums()[g];
      sum_squares += a * (a * static_cast<double>(sums.total_squares) +
                          2 * b * static_cast<double>(sums.total));
      traits.distinct_samples += floor_ > 0 ? stratum.count : sums.positive;
    }
    same &= b == stratum_[0].intercept;
    same_weight &= stratum.target / b == stratum_[0].target / stratum_[0].intercept;
  }
  traits.fell_back_to_uniform |= score_driven_ && !any_positive_;
  traits.effective_sample_ratio = 1 / (static_cast<double>(num_samples_) * sum_squares);

  // Only what no score can change is called constant.
  const bool fixed = !score_driven_ || floor_ == 1;
  const bool weighted = weight_.target != Weight::Target::kNone;
  if (fixed && same) traits.probability = stratum_[0].intercept;
  if (!weighted) {
    traits.weight = 1;
  } else if (fixed && same_weight) {
    const double exact = stratum_[0].target / stratum_[0].intercept;
    traits.weight =
        static_cast<float>(weight_.beta == 1 ? exact : PortablePow(exact, weight_.beta));
  }
  const bool exact =
      weighted ? weight_.beta == 1 || (traits.weight && *traits.weight == 1) : fixed && same;
  const bool reached = traits.distinct_samples == num_samples_;
  traits.unbiased_over = exact && reached ? UnbiasedOver::kBatch : UnbiasedOver::kNothing;
  return traits;
}

// Chooses stratum, floor or preference, and member for each position. The index is walked once for
// all of them, so that its cache misses overlap.
template <bool kOneStratum>
void IndexedScoreDraw::DrawMembers(const Keys& keys, uint64_t position, absl::Span<uint32_t> slots,
                                   Group* group) const {
  const size_t count = slots.size();
  PhiloxBlock member_blocks[kGroup];
  PhiloxBlock stratum_blocks[kOneStratum ? 1 : kGroup];
  PhiloxFill(keys.member, position, 0, absl::MakeSpan(member_blocks, count));
  if (!kOneStratum) {
    PhiloxFill(keys.stratum, position, 0, absl::MakeSpan(stratum_blocks, count));
  }
  const Leaf* leaves = index_.has_value() ? index_->weights().leaves().data() : nullptr;

  const Stratum only = stratum_[0];  // a copy: no store below can change it
  uint64_t targets[kGroup];
  uint32_t preferred[kGroup];  // which of the group have a target
  uint32_t floored[kGroup];    // and which do not
  size_t num_preferred = 0;
  size_t num_floored = 0;
  for (size_t j = 0; j < count; ++j) {
    uint32_t g = 0;
    if (!kOneStratum) {
      g = shares_.Find(
          UniformIntFromBlock(stratum_blocks[j], keys.stratum, position + j, shares_.total()));
      group->strata[j] = g;
    }
    const Stratum& stratum = kOneStratum ? only : stratum_[g];
    const bool prefer =
        (BlockHigh(member_blocks[j]) >= floor_threshold_) & (stratum.preferred_total > 0);
    const uint64_t range = prefer ? stratum.preferred_total : stratum.count;
    const uint64_t pick = UniformIntFromBlock(member_blocks[j], keys.member, position + j, range);
    targets[num_preferred] = stratum.base + pick;
    preferred[num_preferred] = static_cast<uint32_t>(j);
    num_preferred += prefer;
    slots[j] = static_cast<uint32_t>(stratum.first + pick);
    floored[num_floored] = static_cast<uint32_t>(j);
    num_floored += !prefer;
    if (!prefer && leaves != nullptr) __builtin_prefetch(leaves + slots[j]);
  }

  if (num_floored == 0) {  // nothing to put apart
    index_->weights().Find(absl::MakeConstSpan(targets, count), slots,
                           absl::MakeSpan(group->values, count));
    return;
  }
  if (num_preferred > 0) {
    uint32_t found[kGroup];
    uint32_t values[kGroup];
    index_->weights().Find(absl::MakeConstSpan(targets, num_preferred),
                           absl::MakeSpan(found, num_preferred),
                           absl::MakeSpan(values, num_preferred));
    for (size_t k = 0; k < num_preferred; ++k) {
      slots[preferred[k]] = found[k];
      group->values[preferred[k]] = values[k];
    }
  }
  for (size_t k = 0; k < num_floored; ++k) {
    const uint32_t j = floored[k];
    group->values[j] = leaves == nullptr ? 0 : LeafWeight(leaves[slots[j]]);
  }
}

template <bool kOneStratum>
void IndexedScoreDraw::Weigh(const Group& group, absl::Span<double> probabilities,
                             absl::Span<float> weights) const {
  const size_t count = std::max(probabilities.size(), weights.size());
  double room[kGroup];
  double* q = probabilities.empty() ? room : probabilities.data();
  const double slope = stratum_[0].slope;
  const double intercept = stratum_[0].intercept;
  for (size_t j = 0; j < count; ++j) {
    if (kOneStratum) {
      q[j] = slope * static_cast<int32_t>(group.values[j]) + intercept;
    } else {
      const Stratum& stratum = stratum_[group.strata[j]];
      q[j] = stratum.slope * static_cast<int32_t>(group.values[j]) + stratum.intercept;
    }
  }
  if (weights.empty()) return;
  if (weight_.target == Weight::Target::kNone) {
    std::fill(weights.begin(), weights.end(), 1.0f);
    return;
  }
  const double target = stratum_[0].target;
  float* const w = weights.data();
  for (size_t j = 0; j < count; ++j) {
    const double r = kOneStratum ? target : stratum_[group.strata[j]].target;
    w[j] = static_cast<float>(r / q[j]);
  }
  if (weight_.beta == 1) return;
  for (size_t j = 0; j < count; ++j) {
    const double r = kOneStratum ? target : stratum_[group.strata[j]].target;
    weights[j] = static_cast<float>(PortablePow(r / q[j], weight_.beta));
  }
}

template <bool kOneStratum>
void IndexedScoreDraw::DrawGroup(const Keys& keys, uint64_t position, absl::Span<uint32_t> indices,
                                 absl::Span<double> probabilities,
                                 absl::Span<float> weights) const {
  Group group;
  DrawMembers<kOneStratum>(keys, position, indices, &group);
  if (!kOneStratum) {
    for (uint32_t& index : indices) index = strata_->members[index];
  }
  if (!probabilities.empty() || !weights.empty()) Weigh<kOneStratum>(group, probabilities, weights);
}

void IndexedScoreDraw::Draw(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                            absl::Span<double> probabilities, absl::Span<float> weights) const {
  const Keys keys = {DeriveKey(key, Purpose::kDraw),
                     DeriveKey(key, Purpose::kDraw, kStratumStream)};
  for (size_t first = 0; first < indices.size(); first += kGroup) {
    const auto group_indices = indices.subspan(first, kGroup);
    const auto group_probabilities =
        probabilities.empty() ? probabilities : probabilities.subspan(first, kGroup);
    const auto group_weights = weights.empty() ? weights : weights.subspan(first, kGroup);
    if (stratum_.size() == 1) {
      DrawGroup<true>(keys, position + first, group_indices, group_probabilities, group_weights);
    } else {
      DrawGroup<false>(keys, position + first, group_indices, group_probabilities, group_weights);
    }
  }
}

void IndexedScoreDraw::Update(absl::Span<const uint32_t> indices, absl::Span<const float> scores) {
  if (!index_.has_value()) return;
  std::vector<Leaf> leaves(scores.size());
  for (size_t k = 0; k < scores.size(); ++k) {
    bool clamped = false;
    leaves[k] = scale_->Encode(scores[k], &clamped);
    clamped_ += clamped;
    any_positive_ |= scores[k] > 0;
  }
  index_->Update(indices, leaves);
  Refresh();
}

std::string IndexedScoreDraw::Serialize() const {
  ByteWriter writer;
  writer.Put(kForm);
  writer.Put(uint32_t{any_positive_});
  writer.Put(num_samples_);
  writer.Put(uint64_t{stratum_.size()});
  writer.Put(clamped_);
  const LeafScale::Parameters parameters =
      scale_.has_value() ? scale_->parameters() : LeafScale::Parameters{};
  writer.Put(parameters.score_exponent);
  writer.Put(parameters.weight_exponent);
  writer.Put(parameters.unscored);
  if (index_.has_value()) writer.PutArray(index_->weights().leaves().data(), num_samples_);
  return writer.Finish();
}

absl::Status IndexedScoreDraw::ParseIndex(absl::string_view serialized) {
  ByteReader reader(serialized);
  const auto form = reader.Get<uint32_t>();
  any_positive_ = reader.Get<uint32_t>() != 0;
  const auto samples = reader.Get<uint64_t>();
  const auto strata = reader.Get<uint64_t>();
  clamped_ = reader.Get<uint64_t>();
  LeafScale::Parameters parameters;
  parameters.score_exponent = reader.Get<int32_t>();
  parameters.weight_exponent = reader.Get<int32_t>();
  parameters.unscored = reader.Get<double>();
  if (!reader.ok() || form != kForm) {
    return absl::DataLossError(
        absl::StrCat("stored draw of ", serialized.size(), " bytes is damaged or of another form"));
  }
  const uint64_t leaves = score_driven_ ? num_samples_ : 0;
  if (samples != num_samples_ || strata != stratum_.size() ||
      reader.remaining() != leaves * sizeof(Leaf)) {
    return absl::DataLossError(absl::StrCat("stored draw is of ", samples, " samples in ", strata,
                                            " strata and ", reader.remaining(),
                                            " bytes of leaves, not of ", num_samples_, " in ",
                                            stratum_.size(), " and ", leaves * sizeof(Leaf)));
  }
  if (!score_driven_) return absl::OkStatus();
  scale_.emplace(alpha_, parameters);
  index_.emplace(strata_, num_samples_,
                 [&](uint64_t, absl::Span<Leaf> out) { reader.GetArray(out.data(), out.size()); });
  Refresh();
  return absl::OkStatus();
}

uint64_t IndexedScoreDraw::memory_bytes() const {
  return sizeof(*this) + stratum_.capacity() * sizeof(Stratum) +
         (strata_ == nullptr ? 0 : shares_.memory_bytes()) +
         (index_.has_value() ? index_->memory_bytes() : 0);
}

absl::StatusOr<std::unique_ptr<IndexedScoreDraw>> Create(const PlanInput& input) {
  const SamplerSpec& spec = input.spec;
  SUBSET_CHECK(spec.draw.kind == Draw::Kind::kWithReplacement);
  SUBSET_CHECK(spec.proportion.column.empty() || input.strata != nullptr);
  const uint64_t positions = FloorFraction(spec.draw.fraction, input.num_samples);
  if (positions == 0) {
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat("nothing to draw: draw.fraction ", spec.draw.fraction,
                                       " of ", input.num_samples, " samples is 0")),
                      "NOTHING_TO_DRAW");
  }
  return std::make_unique<IndexedScoreDraw>(input, positions);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScoreDraw>> ScoreDraw::Build(const PlanInput& input) {
  SUBSET_ASSIGN_OR_RETURN(auto draw, Create(input));
  if (input.spec.score_driven()) draw->BuildIndex(input.columns.score(input.spec.preference.score));
  return draw;
}

absl::StatusOr<std::unique_ptr<ScoreDraw>> ScoreDraw::Parse(const PlanInput& input,
                                                            absl::string_view serialized) {
  SUBSET_ASSIGN_OR_RETURN(auto draw, Create(input));
  SUBSET_RETURN_IF_ERROR(draw->ParseIndex(serialized));
  return draw;
}

}  // namespace subset::sampling
