#include "engine/preview.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "engine/coverage.h"
#include "engine/planned_strata.h"
#include "engine/spec_proto.h"
#include "sampling/population.h"

namespace subset {
namespace {

using Stratum = v1::PreviewSamplerResponse::Stratum;

constexpr size_t kMaxCoverage = 16;
constexpr uint32_t kMaxCoverageEpochs = 65536;
constexpr size_t kMaxStrataShown = 1000;
constexpr uint64_t kPositionsAtOnce = 8192;
constexpr double kManyRepeats = 10;
constexpr double kRounding = 1e-9;  // counts that differ by less are alike

void DescribeWeights(const sampling::EpochPlan& plan, v1::PreviewSamplerResponse* response) {
  const sampling::PlanTraits& traits = plan.traits();
  if (traits.weight.has_value()) {
    response->set_largest_weight(*traits.weight);
    response->set_weight_efficiency(1);
    return;
  }
  float largest = 0;
  double sum = 0;
  double squares = 0;
  std::vector<uint32_t> indices;
  std::vector<float> weights;
  for (uint64_t at = 0; at < traits.num_positions; at += kPositionsAtOnce) {
    indices.resize(std::min(kPositionsAtOnce, traits.num_positions - at));
    weights.resize(indices.size());
    plan.Draw(at, absl::MakeSpan(indices), {}, absl::MakeSpan(weights));
    for (const float weight : weights) {
      largest = std::max(largest, weight);
      sum += weight;
      squares += double{weight} * weight;
    }
  }
  response->set_largest_weight(largest);
  const double positions = static_cast<double>(traits.num_positions);
  response->set_weight_efficiency(squares > 0 ? sum * sum / (positions * squares) : 0);
}

void DescribeCounts(const sampling::Draw& draw, absl::Span<const double> counts,
                    absl::Span<const uint32_t> coverage_epochs,
                    v1::PreviewSamplerResponse* response) {
  double sum = 0;
  double squares = 0;
  uint64_t reachable = 0;
  std::map<int, uint64_t> bins;
  for (const double count : counts) {
    if (!(count > 0)) continue;
    ++reachable;
    sum += count;
    squares += count * count;
    ++bins[std::ilogb(count * (1 + kRounding))];
  }
  response->set_reachable_samples(reachable);
  response->set_effective_sample_size(squares > 0 ? sum * sum / squares : 0);
  for (const auto& [exponent, samples] : bins) {
    auto* bin = response->add_expected_draws();
    bin->set_low(std::ldexp(1.0, exponent));
    bin->set_high(std::ldexp(1.0, exponent + 1));
    bin->set_samples(samples);
  }
  constexpr uint32_t kUsual[] = {1, 2, 5, 10};
  if (coverage_epochs.empty()) coverage_epochs = kUsual;
  const Coverage coverage(draw, response->num_positions(), counts);
  for (const uint32_t epochs : coverage_epochs) {
    auto* reached = response->add_coverage();
    reached->set_epochs(epochs);
    reached->set_ratio(coverage.After(epochs));
  }
}

void DescribeStrata(const PlannedStrata& strata, absl::Span<const double> counts,
                    absl::Span<const double> mean_learned_shares,
                    v1::PreviewSamplerResponse* response) {
  const double total_draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  std::vector<Stratum> described;
  for (size_t g = 0; g < strata.size(); ++g) {
    described.push_back(strata.Describe(g, counts, total_draws));
    if (mean_learned_shares.empty()) continue;
    described.back().set_mean_learned_share(mean_learned_shares[g]);
  }
  response->set_num_strata(described.size());
  if (described.size() > kMaxStrataShown) {
    std::vector<size_t> order(described.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return described[a].share() > described[b].share();
    });
    order.resize(kMaxStrataShown);
    std::sort(order.begin(), order.end());
    for (const size_t g : order) *response->add_strata() = described[g];
    return;
  }
  for (const Stratum& stratum : described) *response->add_strata() = stratum;
}

// What it means that nothing is stored in a reported column.
std::string NothingIn(absl::string_view column) {
  const absl::string_view score = absl::StripSuffix(column, sampling::StepColumn(""));
  if (score == column) return absl::StrCat("nothing is scored in \"", column, "\" yet");
  return absl::StrCat("when \"", score, "\" was reported is known from the next epoch on");
}

void AddWarnings(const sampling::PlanInput& input, const sampling::PlanTraits& traits,
                 v1::PreviewSamplerResponse* response) {
  const auto warn = [response](std::string warning) { response->add_warnings(std::move(warning)); };
  for (const auto& [column, view] : input.columns.scores) {
    if (view.chunks.empty()) warn(NothingIn(column));
  }
  if (traits.fell_back_to_uniform) {
    warn("no sample is preferred somewhere: samples are drawn uniformly there");
  }
  if (input.spec.select.has_value()) {
    warn("batches are pools: what Select keeps of them depends on fresh scores, so is not counted");
  }
  const sampling::Proportion& proportion = input.spec.proportion;
  if (proportion.kind == sampling::Proportion::Kind::kUnimax &&
      proportion.max_epochs <= input.spec.draw.fraction) {
    warn("proportion.max_epochs passes just fill the epoch: UNIMAX is left with natural shares");
  }
  if (traits.clamped_leaves > 0) {
    warn(absl::StrCat(traits.clamped_leaves, " preferences are outside the range of weights"));
  }
  const uint64_t unreachable = response->eligible_samples() - response->reachable_samples();
  if (unreachable > 0) {
    warn(absl::StrCat(unreachable, " of ", response->eligible_samples(),
                      " eligible samples cannot be drawn"));
  }
  if (traits.unbiased_over == sampling::UnbiasedOver::kNothing) {
    warn("weighted means are biased for the target");
  }
  for (const Stratum& stratum : response->strata()) {
    if (stratum.eligible_samples() == 0) {
      warn(absl::StrCat("nothing of stratum ", stratum.value(), " is eligible"));
    } else if (stratum.expected_repeats() > kManyRepeats) {
      warn(absl::StrCat("a sample of stratum ", stratum.value(), " is drawn ",
                        stratum.expected_repeats(), " times an epoch"));
    }
    if (response->warnings_size() >= 20) return;
  }
}

}  // namespace

absl::Status CheckCoverageEpochs(absl::Span<const uint32_t> epochs) {
  if (epochs.size() > kMaxCoverage) {
    return InvalidField("coverage_epochs",
                        absl::StrCat("has ", epochs.size(), " numbers; at most ", kMaxCoverage));
  }
  for (size_t i = 0; i < epochs.size(); ++i) {
    if (epochs[i] >= 1 && epochs[i] <= kMaxCoverageEpochs) continue;
    return InvalidField(absl::StrCat("coverage_epochs[", i, "]"),
                        absl::StrCat(epochs[i], " is outside [1, ", kMaxCoverageEpochs, "]"));
  }
  return absl::OkStatus();
}

uint64_t PreviewBytes(uint64_t num_samples) { return num_samples * (sizeof(double) + 8); }

absl::StatusOr<v1::PreviewSamplerResponse> Preview(sampling::PlanInput input,
                                                   absl::Span<const uint32_t> coverage_epochs,
                                                   absl::Span<const double> mean_learned_shares) {
  SUBSET_ASSIGN_OR_RETURN(input.population, sampling::BuildPopulation(input));
  SUBSET_ASSIGN_OR_RETURN(const std::unique_ptr<sampling::EpochPlan> plan,
                          sampling::BuildPlan(input));
  SUBSET_ASSIGN_OR_RETURN(const PlannedStrata strata,
                          PlannedStrata::Create(input, *input.population));
  const sampling::PlanTraits& traits = plan->traits();
  std::vector<double> counts(input.num_samples);
  plan->Expect(absl::MakeSpan(counts));

  v1::PreviewSamplerResponse response;
  response.set_epoch(input.key.epoch);
  response.set_num_samples(input.num_samples);
  response.set_eligible_samples(input.population->size());
  response.set_num_positions(traits.num_positions);
  response.set_num_steps((traits.num_positions + input.batch_size - 1) / input.batch_size);
  DescribeWeights(*plan, &response);
  response.set_probability_kind(ProbabilityKindToProto(traits.probability_kind));
  response.set_unbiased_over(UnbiasedOverToProto(traits.unbiased_over));
  response.set_fell_back_to_uniform(traits.fell_back_to_uniform);
  DescribeCounts(input.spec.draw, counts, coverage_epochs, &response);
  DescribeStrata(strata, counts, mean_learned_shares, &response);
  AddWarnings(input, traits, &response);
  return response;
}

}  // namespace subset
