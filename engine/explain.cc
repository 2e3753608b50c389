// Why one sample would be drawn or not: each choice is asked for that sample alone.

#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/planned_strata.h"
#include "engine/preview.h"
#include "engine/spec_proto.h"
#include "sampling/eligible.h"
#include "sampling/inner_draw.h"
#include "sampling/population.h"
#include "sampling/preferred_scores.h"
#include "sampling/proportion.h"
#include "sampling/repeat_factor.h"

namespace subset {
namespace {

using Response = v1::ExplainSampleResponse;

constexpr int kMaxPositions = 100;
constexpr uint64_t kPositionsAtOnce = 8192;

// How many of the listed labels the sample has.
double ListedLabels(const sampling::PlanInput& input, const sampling::Predicate& predicate,
                    uint32_t index) {
  const std::set<int64_t> listed(predicate.values.begin(), predicate.values.end());
  double found = 0;
  sampling::ForEachLabelSet(input.columns.label_sets.at(predicate.column), input.num_samples,
                            [&](uint64_t i, absl::Span<const uint32_t> labels) {
                              if (i != index) return;
                              for (const uint32_t label : labels) found += listed.count(label);
                            });
  return found;
}

// What the predicate compares of the sample; NaN where it is missing.
double TestedValue(const sampling::PlanInput& input, const sampling::Predicate& predicate,
                   uint32_t index) {
  if (predicate.by_labels()) return ListedLabels(input, predicate, index);
  if (!predicate.column.empty()) return input.columns.dataset.at(predicate.column).At(index);
  return sampling::TestedScore(predicate, input.columns.score(predicate.score)[index]);
}

// What the preference reads of the sample; NaN where it is missing.
double PreferredValue(const sampling::PlanInput& input, uint64_t slot, uint32_t index) {
  const sampling::Preference& preference = input.spec.preference;
  if (preference.kind == sampling::Preference::Kind::kRepeatFactor) {
    return sampling::RepeatFactors(input, *input.population)[slot];
  }
  if (!preference.column.empty()) return input.columns.dataset.at(preference.column).At(index);
  const float reported = input.columns.score(preference.score)[index];
  const sampling::ScoreReading reading = sampling::ReadingOf(preference);
  return reading != nullptr ? reading(reported) : reported;
}

// Asks each predicate by itself. Returns whether all of them pass.
absl::StatusOr<bool> Judge(const sampling::PlanInput& input, uint32_t index, Response* response) {
  bool all = true;
  const auto ask = [&](const sampling::PlanInput& alone, std::string path,
                       const std::string& column, double value) -> absl::Status {
    SUBSET_ASSIGN_OR_RETURN(const sampling::SampleSet passing, sampling::EligibleSamples(alone));
    Response::Verdict* verdict = response->add_predicates();
    verdict->set_path(std::move(path));
    verdict->set_column(column);
    if (!std::isnan(value)) verdict->set_value(value);
    verdict->set_passes(passing.Contains(index));
    all = all && verdict->passes();
    return absl::OkStatus();
  };
  sampling::PlanInput alone = input;
  alone.population.reset();
  alone.spec.preference.irreducible.clear();
  for (size_t i = 0; i < input.spec.eligible.all.size(); ++i) {
    const sampling::Predicate& predicate = input.spec.eligible.all[i];
    alone.spec.eligible.all = {predicate};
    SUBSET_RETURN_IF_ERROR(ask(alone, absl::StrCat("eligible.all[", i, "]"),
                               predicate.column.empty() ? predicate.score : predicate.column,
                               TestedValue(input, predicate, index)));
  }
  const sampling::Preference& preference = input.spec.preference;
  if (preference.missing_irreducible == sampling::Preference::MissingIrreducible::kExclude &&
      !preference.irreducible.empty()) {
    alone.spec.eligible.all.clear();
    alone.spec.preference.irreducible = preference.irreducible;
    SUBSET_RETURN_IF_ERROR(ask(alone, "preference.missing_irreducible", preference.irreducible,
                               input.columns.dataset.at(preference.irreducible).At(index)));
  }
  return all;
}

// Where the sample stands in the epoch, and with what probability and weight.
void FindPositions(const sampling::EpochPlan& plan, uint32_t index, Response* response) {
  const sampling::PlanTraits& traits = plan.traits();
  std::vector<uint32_t> indices;
  std::vector<double> probabilities;
  std::vector<float> weights;
  uint64_t found = 0;
  for (uint64_t at = 0; at < traits.num_positions; at += kPositionsAtOnce) {
    indices.resize(std::min(kPositionsAtOnce, traits.num_positions - at));
    probabilities.resize(indices.size());
    weights.resize(indices.size());
    plan.Draw(at, absl::MakeSpan(indices), absl::MakeSpan(probabilities), absl::MakeSpan(weights));
    for (size_t k = 0; k < indices.size(); ++k) {
      if (indices[k] != index) continue;
      if (++found == 1) {
        response->set_probability(probabilities[k]);
        response->set_weight(weights[k]);
      }
      if (response->positions_size() < kMaxPositions) response->add_positions(at + k);
    }
  }
  response->set_num_positions_drawn(found);
}

// `total_draws`: expected of all samples. Reads what is said of the stratum, the proportion and
// the expected draws.
void DescribePreference(const sampling::PlanInput& input, uint64_t slot, uint32_t index,
                        double total_draws, Response* response) {
  using Kind = sampling::Preference::Kind;
  const sampling::Preference& preference = input.spec.preference;
  if (preference.kind != Kind::kUniform) {
    response->set_preferred_column(preference.column.empty() ? preference.score
                                                             : preference.column);
    const double value = PreferredValue(input, slot, index);
    if (!std::isnan(value)) response->set_score(value);
  }
  if (preference.kind == Kind::kBelowMeanPruning) {  // what is kept of the stratum; takes no guard
    const double kept = response->stratum().expected_draws();
    response->set_preference(kept > 0 ? response->expected_draws() / kept : 0);
    response->set_guarded(response->preference());
    return;
  }
  sampling::PlanInput unguarded = input;
  unguarded.spec.guard.uniform_floor = 0;
  unguarded.spec.guard.refresh = 0;
  response->set_preference(
      sampling::InnerProbabilities(unguarded, *input.population).probabilities[slot]);
  // Guards that reach across strata: what they make of one draw is read off the plan.
  const sampling::Guard& guard = input.spec.guard;
  response->set_guarded(
      (guard.floor_by_target || guard.max_repeats > 0) && response->proportion() > 0
          ? response->expected_draws() / (total_draws * response->proportion())
          : sampling::InnerProbabilities(input, *input.population).probabilities[slot]);
}

std::string Summary(const Response& response) {
  if (!response.eligible()) {
    std::vector<std::string> failed;
    for (const Response::Verdict& verdict : response.predicates()) {
      if (verdict.passes()) continue;
      failed.push_back(absl::StrCat(verdict.path(), " (\"", verdict.column(), "\" is ",
                                    verdict.has_value() ? absl::StrCat(verdict.value()) : "missing",
                                    ")"));
    }
    return absl::StrCat("not eligible: fails ", absl::StrJoin(failed, ", "));
  }
  if (response.num_positions_drawn() > 0) {
    return absl::StrCat("drawn ", response.num_positions_drawn(), " time(s), expected ",
                        response.expected_draws());
  }
  if (response.expected_draws() > 0) {
    return absl::StrCat("can be drawn, expected ", response.expected_draws(),
                        " times, but is not in this epoch");
  }
  if (response.proportion() == 0) return "its stratum has no share";
  if (response.guarded() > 0) return "eligible, but the draw leaves it out";
  return "eligible, but the preference gives it no chance";
}

}  // namespace

absl::StatusOr<v1::ExplainSampleResponse> Explain(sampling::PlanInput input, uint64_t index) {
  if (index >= input.num_samples) {
    return InvalidField("index", absl::StrCat(index, " is outside [0, ", input.num_samples, ")"));
  }
  const auto sample = static_cast<uint32_t>(index);
  SUBSET_ASSIGN_OR_RETURN(input.population, sampling::BuildPopulation(input));
  SUBSET_ASSIGN_OR_RETURN(const std::unique_ptr<sampling::EpochPlan> plan,
                          sampling::BuildPlan(input));
  SUBSET_ASSIGN_OR_RETURN(const PlannedStrata strata,
                          PlannedStrata::Create(input, *input.population));
  std::vector<double> counts(input.num_samples);
  plan->Expect(absl::MakeSpan(counts));

  Response response;
  response.set_epoch(input.key.epoch);
  response.set_probability_kind(ProbabilityKindToProto(plan->traits().probability_kind));
  SUBSET_ASSIGN_OR_RETURN(const bool eligible, Judge(input, sample, &response));
  response.set_eligible(eligible);
  response.set_expected_draws(counts[sample]);
  const size_t g = strata.Of(sample);
  const double total_draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  *response.mutable_stratum() = strata.Describe(g, counts, total_draws);
  const std::optional<size_t> left = strata.Left(g);
  if (eligible && left.has_value()) {
    response.set_proportion(sampling::SharesOf(input, *input.population).share(*left));
    const std::optional<uint64_t> slot = FindSlot(*input.population, *left, sample);
    if (slot.has_value()) DescribePreference(input, *slot, sample, total_draws, &response);
  }
  FindPositions(*plan, sample, &response);
  response.set_summary(Summary(response));
  return response;
}

}  // namespace subset
