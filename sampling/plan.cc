#include "sampling/plan.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "sampling/cell_plan.h"
#include "sampling/cells.h"
#include "sampling/pruning.h"
#include "sampling/score_draw.h"
#include "sampling/stored_set.h"

namespace subset::sampling {
namespace {

// Independent draws with the scores as they were when the epoch opened.
class WeightedPlan final : public EpochPlan {
 public:
  WeightedPlan(const PlanInput& input, std::unique_ptr<ScoreDraw> draw)
      : key_(input.key),
        stored_(input.spec.score_driven()),
        draw_(std::move(draw)),
        traits_(draw_->traits()) {}

  const PlanTraits& traits() const override { return traits_; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override {
    draw_->Draw(key_, position, indices, probabilities, weights);
  }
  std::string Serialize() const override { return stored_ ? draw_->Serialize() : ""; }

 private:
  const StreamKey key_;
  const bool stored_;
  const std::unique_ptr<ScoreDraw> draw_;
  const PlanTraits traits_;
};

bool WithReplacement(const PlanInput& input) {
  return input.spec.draw.kind == Draw::Kind::kWithReplacement;
}

bool PrunesNow(const PlanInput& input) {
  return input.spec.preference.kind == Preference::Kind::kBelowMeanPruning &&
         Prunes(input.spec.preference, input.key.epoch);
}

absl::StatusOr<std::unique_ptr<EpochPlan>> NewWeightedPlan(
    const PlanInput& input, absl::StatusOr<std::unique_ptr<ScoreDraw>> draw) {
  SUBSET_RETURN_IF_ERROR(draw.status());
  return std::make_unique<WeightedPlan>(input, *std::move(draw));
}

// The plan of an epoch that reads no score.
absl::StatusOr<std::unique_ptr<EpochPlan>> NewScorelessPlan(const PlanInput& input) {
  const SamplerSpec& spec = input.spec;
  const uint64_t slots = FloorFraction(spec.draw.fraction, input.num_samples);
  if (slots == 0) {
    return WithReason(absl::FailedPreconditionError(
                          absl::StrCat("nothing to draw: draw.fraction ", spec.draw.fraction,
                                       " of ", input.num_samples, " samples is 0")),
                      "NOTHING_TO_DRAW");
  }
  // Strata are cells where they change a share or a weight.
  const bool by_stratum = spec.proportion.kind == Proportion::Kind::kEqual ||
                          spec.weight.target == Weight::Target::kBalanced;
  return std::make_unique<CellPlan>(
      input, by_stratum ? StratumCells(input, slots) : UniformCells(input, slots));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpochPlan>> BuildPlan(const PlanInput& input) {
  SUBSET_CHECK(input.spec.proportion.column.empty() || input.strata != nullptr);
  if (WithReplacement(input)) return NewWeightedPlan(input, ScoreDraw::Build(input));
  if (!PrunesNow(input) || input.num_samples == 0) return NewScorelessPlan(input);
  const Strata* strata = input.spec.preference.per_stratum ? input.strata.get() : nullptr;
  return std::make_unique<CellPlan>(
      input, PrunedCells(input, BelowMean(input.columns.score(input.spec.preference.score), input.num_samples, strata)));
}

absl::StatusOr<std::unique_ptr<EpochPlan>> ParsePlan(const PlanInput& input,
                                                     absl::string_view serialized) {
  const bool stored = WithReplacement(input) ? input.spec.score_driven() : PrunesNow(input);
  if (!stored) {
    if (serialized.empty()) return BuildPlan(input);
    return absl::DataLossError(
        absl::StrCat("stored plan of ", serialized.size(), " bytes, but this plan stores nothing"));
  }
  if (WithReplacement(input)) return NewWeightedPlan(input, ScoreDraw::Parse(input, serialized));
  SUBSET_ASSIGN_OR_RETURN(const SampleSet low,
                          ParseSampleSet(serialized, input.num_samples, input.key.epoch));
  return std::make_unique<CellPlan>(input, PrunedCells(input, low));
}

}  // namespace subset::sampling
