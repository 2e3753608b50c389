#include "sampling/plan.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "sampling/cell_plan.h"
#include "sampling/cells.h"
#include "sampling/eligible.h"
#include "sampling/epoch_slots.h"
#include "sampling/list_plan.h"
#include "sampling/population.h"
#include "sampling/preference.h"
#include "sampling/preferred_scores.h"
#include "sampling/pruning.h"
#include "sampling/score_draw.h"
#include "sampling/self_normalise.h"
#include "sampling/stored_set.h"
#include "sampling/systematic_plan.h"

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
  void Expect(absl::Span<double> counts) const override {
    draw_->Probabilities(counts);
    for (double& count : counts) count *= static_cast<double>(traits_.num_positions);
  }
  std::string Serialize() const override { return stored_ ? draw_->Serialize() : ""; }

 private:
  const StreamKey key_;
  const bool stored_;
  const std::unique_ptr<ScoreDraw> draw_;
  const PlanTraits traits_;
};

// How a plan of this input is made.
enum class Form { kUniform, kPruned, kChosen, kWeighted, kSystematic, kList };

Form FormOf(const PlanInput& input) {
  if (input.spec.draw.kind == Draw::Kind::kWithReplacement) return Form::kWeighted;
  if (input.spec.draw.kind == Draw::Kind::kSystematic) return Form::kSystematic;
  if (DrawsList(input.spec)) return Form::kList;
  const Preference& preference = input.spec.preference;
  switch (preference.kind) {
    case Preference::Kind::kUniform:
      return Form::kUniform;
    case Preference::Kind::kBelowMeanPruning:
      return Prunes(preference, input.key.epoch) ? Form::kPruned : Form::kUniform;
    default:
      return Form::kChosen;
  }
}

// Whether strata are cells of a uniform plan: where they change a share, an order or a weight.
bool HasStratumCells(const SamplerSpec& spec) {
  return !spec.proportion.as_in_the_data() || spec.proportion.exact_quotas ||
         spec.weight.target == Weight::Target::kBalanced;
}

// Shares, or every sample alike.
absl::StatusOr<CellLayout> UniformLayout(const PlanInput& input, const Population& population) {
  SUBSET_ASSIGN_OR_RETURN(const uint64_t slots, EpochSlots(input.spec, population.size()));
  return HasStratumCells(input.spec) ? StratumCells(input, population, slots)
                                     : UniformCells(population, slots);
}

// The plan of an epoch whose filter reads scores: who was eligible is kept with it.
class FilteredPlan final : public EpochPlan {
 public:
  FilteredPlan(std::string population, std::unique_ptr<EpochPlan> plan)
      : population_(std::move(population)), plan_(std::move(plan)) {}

  const PlanTraits& traits() const override { return plan_->traits(); }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override {
    plan_->Draw(position, indices, probabilities, weights);
  }
  void Expect(absl::Span<double> counts) const override { plan_->Expect(counts); }

  // u64 size of the population's bytes, those, and the bytes of the plan.
  std::string Serialize() const override {
    const uint64_t size = population_.size();
    std::string bytes(reinterpret_cast<const char*>(&size), sizeof(size));
    return absl::StrCat(bytes, population_, plan_->Serialize());
  }

 private:
  const std::string population_;
  const std::unique_ptr<EpochPlan> plan_;
};

// The plan of an input with a population; with `stored`, from what its Serialize returned in place
// of the scores.
absl::StatusOr<std::unique_ptr<EpochPlan>> NewPlan(const PlanInput& input,
                                                   const absl::string_view* stored) {
  const Population& population = *input.population;
  const Form form = FormOf(input);
  if (form == Form::kWeighted) {
    auto draw = stored == nullptr ? ScoreDraw::Build(input) : ScoreDraw::Parse(input, *stored);
    SUBSET_RETURN_IF_ERROR(draw.status());
    return std::make_unique<WeightedPlan>(input, *std::move(draw));
  }
  if (form == Form::kSystematic) {
    return stored == nullptr ? BuildSystematicPlan(input, population)
                             : ParseSystematicPlan(input, population, *stored);
  }
  if (form == Form::kList) {
    return stored == nullptr ? BuildListPlan(input, population) : ParseListPlan(input, *stored);
  }
  if (form == Form::kUniform) {
    SUBSET_ASSIGN_OR_RETURN(CellLayout layout, UniformLayout(input, population));
    return std::make_unique<CellPlan>(input, population.size(), std::move(layout));
  }
  SampleSet set(0);
  if (stored != nullptr) {
    SUBSET_ASSIGN_OR_RETURN(set, ParseSampleSet(*stored, input.num_samples, input.key.epoch));
  } else if (form == Form::kPruned) {
    set = BelowMean(PreferredScores(input, population), population,
                    input.spec.preference.per_stratum, input.executor);
  } else {
    set = ChosenSamples(input, population);
  }
  CellLayout layout = form == Form::kPruned ? PrunedCells(input, population, set)
                                            : ChosenCells(input, population, set);
  if (layout.cells.empty()) return absl::DataLossError("stored plan holds no eligible sample");
  return std::make_unique<CellPlan>(input, population.size(), std::move(layout));
}

// Whether the plan, given its population, depends on what the run has reported.
bool IsStored(const PlanInput& input) {
  switch (FormOf(input)) {
    case Form::kUniform:
      return false;
    case Form::kWeighted:
    case Form::kSystematic:
      return input.spec.score_driven();
    case Form::kList:
      return StoresList(input.spec);
    default:
      return input.spec.preference.column.empty();
  }
}

absl::StatusOr<std::unique_ptr<EpochPlan>> ParseFor(const PlanInput& input,
                                                    absl::string_view serialized) {
  if (IsStored(input)) return NewPlan(input, &serialized);
  if (serialized.empty()) return NewPlan(input, nullptr);
  return absl::DataLossError(
      absl::StrCat("stored plan of ", serialized.size(), " bytes, but this plan stores nothing"));
}

// Adds what goes around a plan of any form; `eligible` are the samples that pass its filter.
absl::StatusOr<std::unique_ptr<EpochPlan>> Complete(
    const PlanInput& input, const SampleSet* eligible,
    absl::StatusOr<std::unique_ptr<EpochPlan>> plan) {
  if (!plan.ok()) return plan;
  // Draws with replacement see to it themselves.
  if (input.spec.weight.normalise == Weight::Normalise::kSelf && FormOf(input) != Form::kWeighted) {
    *plan = std::make_unique<SelfNormalisedPlan>(input.batch_size, *std::move(plan));
  }
  if (!FilterReadsScores(input.spec)) return plan;
  return std::make_unique<FilteredPlan>(
      SerializeSampleSet(*eligible, input.num_samples, input.key.epoch), *std::move(plan));
}

// Whether an epoch is of all samples that pass a filter over scores, which are alike. They are
// found in their set then: to write them out for a single epoch would cost more than all else.
bool DrawsAllThatPass(const PlanInput& input) {
  return FilterReadsScores(input.spec) && !input.population.has_value() &&
         FormOf(input) == Form::kUniform && !HasStratumCells(input.spec);
}

absl::StatusOr<std::unique_ptr<EpochPlan>> PlanOfAll(const PlanInput& input,
                                                     const SampleSet& eligible) {
  const uint64_t count = eligible.Count();
  if (count == 0) return NothingToDraw("no sample passes the filter");
  SUBSET_ASSIGN_OR_RETURN(const uint64_t slots, EpochSlots(input.spec, count));
  return Complete(input, &eligible,
                  std::make_unique<CellPlan>(input, count, MemberCells(input, eligible, slots)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpochPlan>> BuildPlan(const PlanInput& input) {
  if (DrawsAllThatPass(input)) {
    SUBSET_ASSIGN_OR_RETURN(const SampleSet eligible, EligibleSamples(input));
    return PlanOfAll(input, eligible);
  }
  PlanInput own = input;
  SUBSET_ASSIGN_OR_RETURN(own.population, BuildPopulation(input));
  return Complete(own, own.population->eligible.get(), NewPlan(own, nullptr));
}

absl::StatusOr<std::unique_ptr<EpochPlan>> ParsePlan(const PlanInput& input,
                                                     absl::string_view serialized) {
  PlanInput own = input;
  if (!FilterReadsScores(input.spec)) {
    SUBSET_ASSIGN_OR_RETURN(own.population, BuildPopulation(input));
    return Complete(own, nullptr, ParseFor(own, serialized));
  }
  uint64_t size = 0;
  if (serialized.size() >= sizeof(size)) std::memcpy(&size, serialized.data(), sizeof(size));
  serialized.remove_prefix(std::min(serialized.size(), sizeof(size)));
  if (size == 0 || size > serialized.size()) {
    return absl::DataLossError(absl::StrCat("stored plan of ", serialized.size(),
                                            " bytes lacks its ", size,
                                            " bytes of eligible samples"));
  }
  SUBSET_ASSIGN_OR_RETURN(SampleSet eligible, ParseSampleSet(serialized.substr(0, size),
                                                             input.num_samples, input.key.epoch));
  if (DrawsAllThatPass(input)) return PlanOfAll(input, eligible);
  SUBSET_ASSIGN_OR_RETURN(own.population, PopulationOf(input, std::move(eligible)));
  return Complete(own, own.population->eligible.get(), ParseFor(own, serialized.substr(size)));
}

}  // namespace subset::sampling
