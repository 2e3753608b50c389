#include "sampling/draw_index.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "sampling/inner_draw.h"
#include "sampling/preference.h"
#include "sampling/preferred_scores.h"
#include "sampling/repeat_cap.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kPiece = 1024;
constexpr uint64_t kSampleEvery = 65536;  // slots, for a guess: a piece of each

// Below, read(first, limit) returns a span of the scores, float or double, of at least one and at
// most `limit` slots from the first on; NaN: unscored. A span that is not the last one is of a
// multiple of kPiece.

template <typename Read>
ScoreSummary SummaryOf(const Read& read, uint64_t n, const Guard& guard) {
  ScoreSums sums;
  for (uint64_t first = 0; first < n;) {
    const auto scores = read(first, n - first);
    AddScores(scores, &sums);
    first += scores.size();
  }
  return Summarise(sums, n, guard);
}

template <typename Read>
double ExactPowers(const LeafScale& scale, const Read& read, uint64_t n) {
  double powers = 0;
  for (uint64_t first = 0; first < n;) {
    const auto scores = read(first, std::min(kPiece, n - first));
    powers += scale.SumPowers(scores);
    first += scores.size();
  }
  return powers;
}

// The sum of all powers, by that of some.
template <typename Read>
double GuessPowers(const LeafScale& scale, const Read& read, uint64_t n) {
  double powers = 0;
  double seen = 0;
  for (uint64_t first = 0; first < n; first += kSampleEvery) {
    const auto scores = read(first, std::min(kPiece, n - first));
    powers += scale.SumPowers(scores);
    seen += static_cast<double>(scores.size());
  }
  return powers / seen * static_cast<double>(n);
}

// Makes the leaves of all slots; result->clamped counts.
template <typename Read>
void MakeLeaves(const Population& population, const Read& read, DrawIndex* result) {
  result->clamped = 0;
  result->index =
      std::make_unique<StratumIndex>(population, [&](uint64_t first, absl::Span<Leaf> out) {
        while (!out.empty()) {
          const auto scores = read(first, out.size());
          result->clamped += result->scale->Encode(scores, out.subspan(0, scores.size()));
          first += scores.size();
          out.remove_prefix(scores.size());
        }
      });
}

// Leaves of scores^alpha. Raising to a power is what takes most of the time, so it is not done once
// for the scale and once for the leaves: a guess of the scale is nearly always right, as the leaves
// themselves tell, and where it was not, leaves are made again.
template <typename Read>
void Fill(const Population& population, const Read& read, double alpha, const Guard& guard,
          DrawIndex* result) {
  const uint64_t n = population.size();
  const ScoreSummary summary = SummaryOf(read, n, guard);
  result->any_positive = summary.largest_scored > 0;
  const LeafScale unit(alpha, summary, 0);
  result->scale.emplace(alpha, summary, GuessPowers(unit, read, n));
  MakeLeaves(population, read, result);
  if (result->scale->IsThatOf(summary, result->index->weights().total())) return;
  const LeafScale exact(alpha, summary, ExactPowers(unit, read, n));
  if (exact.parameters().weight_exponent == result->scale->parameters().weight_exponent) return;
  result->scale = exact;
  MakeLeaves(population, read, result);
}

void FillFromScores(const PlanInput& input, const Population& population, DrawIndex* result) {
  const PreferredScores scores(input, population);
  const double alpha = input.spec.preference.alpha;
  if (scores.plain()) {
    const auto read = [&](uint64_t first, uint64_t limit) { return scores.Plain(first, limit); };
    return Fill(population, read, alpha, input.spec.guard, result);
  }
  double piece[kPiece];
  const auto read = [&](uint64_t first, uint64_t limit) {
    const auto some = absl::MakeSpan(piece, std::min(kPiece, limit));
    scores.Read(first, some);
    return absl::Span<const double>(some);
  };
  Fill(population, read, alpha, input.spec.guard, result);
}

void FillFromValues(const std::vector<double>& values, const Population& population,
                    DrawIndex* result) {
  const bool any_positive = result->any_positive;
  const auto read = [&values](uint64_t first, uint64_t limit) {
    return absl::MakeConstSpan(values).subspan(first, limit);
  };
  Fill(population, read, 1, Guard{}, result);
  result->any_positive = any_positive;
}

// q_i by slot: shares, preference and guards, capped.
InnerDraw CappedDraw(PlanInput input, const Population& population, const Shares& shares) {
  Guard& guard = input.spec.guard;
  const double positions =
      static_cast<double>(FloorFraction(input.spec.draw.fraction, population.size()));
  const double cap = guard.max_repeats / positions;
  const double by_target = guard.floor_by_target ? guard.uniform_floor : 0;
  // With floor_by_target the strata share out only what the floor leaves.
  guard.refresh = by_target < 1 ? guard.refresh / (1 - by_target) : 0;
  InnerDraw draw = InnerProbabilities(input, population);
  const std::vector<double> inverse_targets = InverseTargets(input, population);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const double share = population.num_strata() == 1 ? 1 : shares.share(g);
    const uint64_t end = population.first(g) + population.count(g);
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      double& q = draw.probabilities[slot];
      q = (1 - by_target) * share * q + by_target / inverse_targets[g];
    }
  }
  CapRepeats(cap, absl::MakeSpan(draw.probabilities));
  return draw;
}

// Whether leaves are powers of reported scores, on one scale.
bool FromScores(const SamplerSpec& spec) {
  return spec.preference.kind == Preference::Kind::kScorePower && spec.preference.column.empty() &&
         spec.guard.max_repeats == 0;
}

}  // namespace

bool HasIndex(const SamplerSpec& spec) {
  return spec.preference.kind != Preference::Kind::kUniform || spec.guard.max_repeats > 0;
}

double LeafExponent(const SamplerSpec& spec) {
  return FromScores(spec) ? spec.preference.alpha : 1;
}

DrawIndex BuildDrawIndex(const PlanInput& input, const Population& population,
                         const Shares& shares) {
  DrawIndex result;
  if (!HasIndex(input.spec)) return result;
  if (input.spec.guard.max_repeats > 0) {
    const InnerDraw draw = CappedDraw(input, population, shares);
    result.any_positive = !draw.fell_back_to_uniform;
    FillFromValues(draw.probabilities, population, &result);
    return result;
  }
  if (FromScores(input.spec)) {
    FillFromScores(input, population, &result);
    return result;
  }
  PreferenceValues preferred = ValuesOf(input, population);
  result.any_positive = !preferred.all_alike;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const auto values =
        absl::MakeSpan(preferred.values).subspan(population.first(g), population.count(g));
    double sum = 0;
    for (const double value : values) sum += value;
    const double scale = sum > 0 ? static_cast<double>(values.size()) / sum : 0;
    for (double& value : values) value *= scale;
  }
  FillFromValues(preferred.values, population, &result);
  return result;
}

}  // namespace subset::sampling
