#include "sampling/score_draw.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/bytes.h"
#include "sampling/draw_index.h"
#include "sampling/draw_loop.h"
#include "sampling/draw_steps.h"
#include "sampling/epoch_slots.h"
#include "sampling/irreducible.h"
#include "sampling/mixture.h"
#include "sampling/parts.h"
#include "sampling/preferred_scores.h"
#include "sampling/proportion.h"
#include "sampling/quota_order.h"
#include "sampling/self_normalise.h"
#include "sampling/stale.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kForm = 0x53443031;       // of Serialize,
constexpr uint32_t kStaleForm = 0x53443032;  // and with the set of stale slots

// Whether draws go to stale slots by a coin of their own; with a cap, leaves hold that already.
bool HasStale(const SamplerSpec& spec) {
  return spec.guard.refresh > 0 && spec.guard.max_repeats == 0;
}

// Whether the preference says what is visible at all.
bool ChoosesSet(const Preference& preference) {
  return preference.kind == Preference::Kind::kBand ||
         preference.kind == Preference::Kind::kSelfPaced;
}

Shares SharesOfInput(const PlanInput& input, const Population& population) {
  if (population.num_strata() == 1) return {};
  return SharesOf(input, population);
}

class IndexedScoreDraw final : public ScoreDraw {
 public:
  IndexedScoreDraw(const PlanInput& input, const Population& population, uint64_t num_positions);

  // The two ways to get leaves and stale slots.
  void BuildIndex(const PlanInput& input);
  absl::Status ParseIndex(const PlanInput& input, absl::string_view serialized);

  PlanTraits traits() const override;
  void Draw(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
            absl::Span<double> probabilities, absl::Span<float> weights) const override;
  void Update(absl::Span<const uint32_t> indices, absl::Span<const float> scores) override;
  void Probabilities(absl::Span<double> q) const override;
  std::string Serialize() const override;
  uint64_t memory_bytes() const override;

 private:
  void Mix(const PlanInput& input);
  void Refresh();
  double LargestWeight(const Mixture& mixture) const;
  WeightRule RuleOf(const Mixture& mixture, uint64_t position) const;
  uint64_t Reached(const Mixture& mixture, size_t g) const;
  bool WeightsAreExact() const;
  double Value(uint64_t slot) const {  // v_i
    return leaves_.index == nullptr ? 0 : LeafWeight(leaves_.index->weights().leaf(slot));
  }

  void DrawPieces(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                  absl::Span<double> probabilities, absl::Span<float> weights) const;

  // Constant after construction.
  const Population population_;
  const uint64_t num_positions_;
  const uint64_t batch_size_;
  const SamplerSpec spec_;
  const DrawSteps steps_;
  const bool prefers_;  // by what may change from epoch to epoch
  const bool weighted_;
  const ScoreReading reading_;      // of later scores
  std::vector<float> irreducible_;  // by sample, where it is subtracted from later scores

  // Constant once built.
  std::optional<MixtureMaker> maker_;
  StaleSlots stale_;              // with a refresh quota
  std::vector<uint16_t> quotas_;  // with exact quotas: the stratum of each position

  // Changed by Update.
  DrawIndex leaves_;
  Mixture mixture_;  // of the mean floor
  std::optional<WeightRule> rule_;
};

IndexedScoreDraw::IndexedScoreDraw(const PlanInput& input, const Population& population,
                                   uint64_t num_positions)
    : population_(population),
      num_positions_(num_positions),
      batch_size_(std::max<uint32_t>(1, input.batch_size)),
      spec_(input.spec),
      steps_(input),
      prefers_(input.spec.preference.kind != Preference::Kind::kUniform),
      weighted_(input.spec.weight.target != Weight::Target::kNone),
      reading_(ReadingOf(input.spec.preference)) {
  if (spec_.live()) irreducible_ = IrreducibleBySample(input, population);
}

void IndexedScoreDraw::BuildIndex(const PlanInput& input) {
  leaves_ = BuildDrawIndex(input, population_, SharesOfInput(input, population_));
  if (HasStale(spec_)) stale_ = StalestSlots(input, population_);
  Mix(input);
}

// Makes the mixture from leaves and stale slots.
void IndexedScoreDraw::Mix(const PlanInput& input) {
  std::vector<uint64_t> stale_counts;
  if (HasStale(spec_)) {
    for (size_t g = 0; g < population_.num_strata(); ++g) {
      stale_counts.push_back(stale_.offsets[g + 1] - stale_.offsets[g]);
    }
  }
  PlanInput own = input;
  Shares shares = SharesOfInput(input, population_);
  if (spec_.guard.max_repeats > 0) {  // then leaves hold shares and guards
    own.spec.guard = Guard{};
    shares.cumulative.clear();
    for (const StratumIndex::Sums& sums : leaves_.index->sums()) {
      shares.cumulative.push_back(sums.base);
    }
    shares.cumulative.push_back(leaves_.index->weights().total());
  }
  if (spec_.proportion.exact_quotas && population_.num_strata() > 1) {
    quotas_ = QuotaOrder(shares, num_positions_, input.batch_size, input.key);
  }
  maker_.emplace(own, population_, shares, std::move(stale_counts));
  const StratumIndex* index = leaves_.index.get();
  const double floor = spec_.guard.max_repeats > 0 ? 0 : steps_.MeanFloor(num_positions_);
  mixture_ = maker_->At(floor, index);
  if (ChoosesSet(spec_.preference) && floor == 0 && !HasStale(spec_)) {
    std::vector<uint64_t> reached;
    for (size_t g = 0; g < mixture_.strata.size(); ++g) reached.push_back(Reached(mixture_, g));
    maker_->RestrictTarget(reached);
    mixture_ = maker_->At(floor, index);
  }
  const bool largest =
      spec_.weight.clip > 0 || spec_.weight.normalise == Weight::Normalise::kMaximum;
  if (largest && index != nullptr) leaves_.index->TrackLeast();
  rule_ = RuleOf(mixture_, 0);
}

// Takes what Update changed.
void IndexedScoreDraw::Refresh() {
  maker_->SetTotals(leaves_.index.get(), &mixture_);
  rule_ = RuleOf(mixture_, 0);
}

// The largest exact weight; where what has the least preference is stale, a bound of it.
double IndexedScoreDraw::LargestWeight(const Mixture& mixture) const {
  double largest = 0;
  for (const MixedStratum& stratum : mixture.strata) {
    double q = stratum.intercept;
    if (stratum.preferred_total > 0) {
      const size_t g = &stratum - mixture.strata.data();
      const Leaf least = leaves_.index->LeastPositive(g);
      const bool zeros = leaves_.index->sums()[g].positive < stratum.count;
      if (!zeros || q == 0) q += stratum.slope * LeafWeight(least);
      if (zeros && stratum.refresh > 0 && stratum.intercept == 0) q = std::min(q, stratum.refresh);
    }
    if (q > 0) largest = std::max(largest, stratum.target / q);
  }
  return largest;
}

WeightRule IndexedScoreDraw::RuleOf(const Mixture& mixture, uint64_t position) const {
  Weight weight = spec_.weight;
  weight.beta = steps_.Beta(position);
  const bool maximum = weight.normalise == Weight::Normalise::kMaximum;
  return WeightRule(weight, maximum ? LargestWeight(mixture) : 0);
}

// How many members of a stratum can be drawn.
uint64_t IndexedScoreDraw::Reached(const Mixture& mixture, size_t g) const {
  const MixedStratum& stratum = mixture.strata[g];
  if (stratum.share == 0) return 0;
  if (stratum.preferred_total == 0 || stratum.intercept > 0) return stratum.count;
  uint64_t reached = leaves_.index->sums()[g].positive;
  if (stratum.refresh > 0) {
    for (uint64_t k = stale_.offsets[g]; k < stale_.offsets[g + 1]; ++k) {
      reached += Value(stale_.slots[k]) == 0;
    }
  }
  return reached;
}

bool IndexedScoreDraw::WeightsAreExact() const {
  if (!steps_.AlwaysOne(num_positions_) || spec_.weight.normalise == Weight::Normalise::kSelf) {
    return false;
  }
  if (spec_.weight.normalise == Weight::Normalise::kMaximum) return rule_->exact();
  if (spec_.weight.clip == 0) return true;
  return !spec_.live() && !steps_.changing() && LargestWeight(mixture_) <= spec_.weight.clip;
}

PlanTraits IndexedScoreDraw::traits() const {
  PlanTraits traits;
  traits.num_positions = num_positions_;
  traits.probability_kind = ProbabilityKind::kPerDraw;
  traits.clamped_leaves = leaves_.clamped;
  const std::vector<MixedStratum>& strata = mixture_.strata;
  double sum_squares = 0;  // of q_i
  bool same = true;        // q_i everywhere
  bool same_weight = true;
  bool floored = true;  // whoever a floor alone reaches is reached in every batch
  for (size_t g = 0; g < strata.size(); ++g) {
    const MixedStratum& stratum = strata[g];
    const double a = stratum.slope;
    const double b = stratum.intercept;
    const double c = stratum.refresh;
    sum_squares += static_cast<double>(stratum.count) * b * b;
    if (stratum.preferred_total == 0) {
      traits.fell_back_to_uniform |= prefers_ && stratum.floor < 1;
    } else {
      const StratumIndex::Sums& sums = leaves_.index->sums()[g];
      sum_squares += a * (a * static_cast<double>(sums.total_squares) +
                          2 * b * static_cast<double>(sums.total));
      floored &= sums.positive == stratum.count;
    }
    if (!stale_.empty()) {
      for (uint64_t k = stale_.offsets[g]; k < stale_.offsets[g + 1]; ++k) {
        sum_squares += c * (c + 2 * (a * Value(stale_.slots[k]) + b));
      }
    }
    traits.distinct_samples += Reached(mixture_, g);
    same &= b == strata[0].intercept;
    same_weight &= stratum.target / b == strata[0].target / strata[0].intercept;
  }
  traits.fell_back_to_uniform |= prefers_ && !leaves_.any_positive;
  traits.effective_sample_ratio = 1 / (static_cast<double>(population_.size()) * sum_squares);

  // Only what no score can change is called constant.
  const bool constant =
      !steps_.changing() && stale_.empty() && (leaves_.index == nullptr || strata[0].floor == 1);
  if (constant && same) traits.probability = strata[0].intercept;
  if (!weighted_) {
    traits.weight = 1;
  } else if (constant && same_weight) {
    const double exact = strata[0].target / strata[0].intercept;
    const bool self = spec_.weight.normalise == Weight::Normalise::kSelf;
    traits.weight = self ? 1.0f : static_cast<float>((*rule_)(exact));
  }
  const bool exact =
      weighted_ ? WeightsAreExact() || (traits.weight && *traits.weight == 1) : constant && same;
  const bool reached = traits.distinct_samples == population_.size() &&
                       (floored || !steps_.changing() || steps_.AlwaysFloor(num_positions_));
  const UnbiasedOver over = quotas_.empty() ? UnbiasedOver::kBatch : UnbiasedOver::kEpoch;
  traits.unbiased_over = exact && reached ? over : UnbiasedOver::kNothing;
  return traits;
}

// Draws with the numbers of each step.
void IndexedScoreDraw::DrawPieces(const StreamKey& key, uint64_t position,
                                  absl::Span<uint32_t> indices, absl::Span<double> probabilities,
                                  absl::Span<float> weights) const {
  const StratumIndex* index = leaves_.index.get();
  const uint16_t* quotas = quotas_.empty() ? nullptr : quotas_.data();
  const DrawSource source = {&population_,        index,       &stale_,       quotas, weighted_,
                             spec_.draw.jittered, batch_size_, num_positions_};
  if (!steps_.changing()) {
    return DrawPositions(source, mixture_, *rule_, key, position, indices, probabilities, weights);
  }
  for (size_t first = 0; first < indices.size();) {
    const uint64_t at = position + first;
    const size_t count = std::min<uint64_t>(indices.size() - first, steps_.NextChange(at) - at);
    const Mixture mixture = maker_->At(steps_.Floor(at), index);
    DrawPositions(source, mixture, RuleOf(mixture, at), key, at, indices.subspan(first, count),
                  probabilities.empty() ? probabilities : probabilities.subspan(first, count),
                  weights.empty() ? weights : weights.subspan(first, count));
    first += count;
  }
}

void IndexedScoreDraw::Draw(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                            absl::Span<double> probabilities, absl::Span<float> weights) const {
  const auto draw = [&](auto... arguments) { DrawPieces(key, arguments...); };
  if (spec_.weight.normalise != Weight::Normalise::kSelf) {
    return draw(position, indices, probabilities, weights);
  }
  DrawSelfNormalised(position, batch_size_, num_positions_, indices, probabilities, weights, draw);
}

void IndexedScoreDraw::Update(absl::Span<const uint32_t> indices, absl::Span<const float> scores) {
  if (leaves_.index == nullptr) return;
  std::vector<double> exact(scores.size());
  for (size_t k = 0; k < scores.size(); ++k) {
    exact[k] = reading_ != nullptr ? reading_(scores[k]) : scores[k];
    if (!irreducible_.empty()) exact[k] -= irreducible_[indices[k]];
    leaves_.any_positive |= exact[k] > 0;
  }
  std::vector<Leaf> leaves(scores.size());
  leaves_.clamped += leaves_.scale->Encode(exact, absl::MakeSpan(leaves));
  leaves_.index->Update(indices, leaves);
  Refresh();
}

void IndexedScoreDraw::Probabilities(absl::Span<double> q) const {
  std::fill(q.begin(), q.end(), 0);
  for (const MixedStratum& stratum : mixture_.strata) {
    for (uint64_t slot = stratum.first; slot < stratum.first + stratum.count; ++slot) {
      double& probability = q[population_.sample(slot)];
      probability = stratum.slope * Value(slot) + stratum.intercept;
      if (!stale_.empty() && stale_.members.Contains(slot)) probability += stratum.refresh;
    }
  }
}

std::string IndexedScoreDraw::Serialize() const {
  ByteWriter writer;
  writer.Put(stale_.empty() ? kForm : kStaleForm);
  writer.Put(uint32_t{leaves_.any_positive});
  writer.Put(population_.size());
  writer.Put(uint64_t{mixture_.strata.size()});
  writer.Put(leaves_.clamped);
  const LeafScale::Parameters parameters =
      leaves_.scale.has_value() ? leaves_.scale->parameters() : LeafScale::Parameters{};
  writer.Put(parameters.score_exponent);
  writer.Put(parameters.weight_exponent);
  writer.Put(parameters.unscored);
  if (leaves_.index != nullptr) {
    writer.PutArray(leaves_.index->weights().leaves().data(), population_.size());
  }
  if (!stale_.empty()) {
    writer.PutArray(stale_.members.words().data(), stale_.members.words().size());
  }
  return writer.Finish();
}

absl::Status IndexedScoreDraw::ParseIndex(const PlanInput& input, absl::string_view serialized) {
  ByteReader reader(serialized);
  const auto form = reader.Get<uint32_t>();
  leaves_.any_positive = reader.Get<uint32_t>() != 0;
  const auto samples = reader.Get<uint64_t>();
  const auto strata = reader.Get<uint64_t>();
  leaves_.clamped = reader.Get<uint64_t>();
  LeafScale::Parameters parameters;
  parameters.score_exponent = reader.Get<int32_t>();
  parameters.weight_exponent = reader.Get<int32_t>();
  parameters.unscored = reader.Get<double>();
  if (!reader.ok() || form != (HasStale(spec_) ? kStaleForm : kForm)) {
    return absl::DataLossError(
        absl::StrCat("stored draw of ", serialized.size(), " bytes is damaged or of another form"));
  }
  const uint64_t size = population_.size();
  const uint64_t leaf_bytes = HasIndex(spec_) ? size * sizeof(Leaf) : 0;
  const uint64_t stale_bytes = HasStale(spec_) ? (size + 63) / 64 * 8 : 0;
  if (samples != size || strata != population_.num_strata() ||
      reader.remaining() != leaf_bytes + stale_bytes) {
    return absl::DataLossError(absl::StrCat("stored draw is of ", samples, " samples in ", strata,
                                            " strata and ", reader.remaining(), " bytes, not of ",
                                            size, " in ", population_.num_strata(), " and ",
                                            leaf_bytes + stale_bytes));
  }
  if (HasIndex(spec_)) {
    leaves_.scale.emplace(LeafExponent(spec_), parameters);
    leaves_.index =
        std::make_unique<StratumIndex>(population_, [&](absl::Span<Leaf> out, SumPart sum_part) {
          reader.GetArray(out.data(), out.size());
          ForEachPart(input.executor, out.size(),
                      [&](size_t, uint64_t first, uint64_t last) { sum_part(first, last); });
        });
  }
  if (HasStale(spec_)) {
    SampleSet members(size);
    reader.GetArray(members.words().data(), members.words().size());
    stale_ = StaleSlots(std::move(members), population_);
    for (size_t g = 0; g < population_.num_strata(); ++g) {
      if (stale_.offsets[g] == stale_.offsets[g + 1]) {
        return absl::DataLossError(absl::StrCat("stored draw has no stale sample in stratum ", g));
      }
    }
  }
  Mix(input);
  return absl::OkStatus();
}

uint64_t IndexedScoreDraw::memory_bytes() const {
  return sizeof(*this) + mixture_.strata.capacity() * sizeof(MixedStratum) +
         (mixture_.strata.size() > 1 ? mixture_.shares.memory_bytes() : 0) +
         (leaves_.index != nullptr ? leaves_.index->memory_bytes() : 0) +
         irreducible_.capacity() * sizeof(float) + stale_.slots.capacity() * sizeof(uint32_t) +
         stale_.members.words().capacity() * sizeof(uint64_t);
}

absl::StatusOr<std::unique_ptr<IndexedScoreDraw>> Create(const PlanInput& input) {
  const SamplerSpec& spec = input.spec;
  SUBSET_CHECK(spec.draw.kind == Draw::Kind::kWithReplacement);
  SUBSET_ASSIGN_OR_RETURN(const Population population, BuildPopulation(input));
  SUBSET_ASSIGN_OR_RETURN(const uint64_t positions, EpochSlots(spec, population.size()));
  return std::make_unique<IndexedScoreDraw>(input, population, positions);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ScoreDraw>> ScoreDraw::Build(const PlanInput& input) {
  SUBSET_ASSIGN_OR_RETURN(auto draw, Create(input));
  draw->BuildIndex(input);
  return draw;
}

absl::StatusOr<std::unique_ptr<ScoreDraw>> ScoreDraw::Parse(const PlanInput& input,
                                                            absl::string_view serialized) {
  SUBSET_ASSIGN_OR_RETURN(auto draw, Create(input));
  SUBSET_RETURN_IF_ERROR(draw->ParseIndex(input, serialized));
  return draw;
}

}  // namespace subset::sampling
