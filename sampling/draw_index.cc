#include "sampling/draw_index.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "sampling/by_slot.h"
#include "sampling/inner_draw.h"
#include "sampling/preference.h"
#include "sampling/preferred_scores.h"
#include "sampling/repeat_cap.h"
#include "sampling/sample_scores.h"
#include "sampling/targets.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kPiece = 1024;
constexpr uint64_t kSampleEvery = 65536;  // slots, for a guess: a piece of each

// In what order scores are read: by slot of the population, or by sample of the dataset, with 0 for
// who is not in the population.
enum class Order { kSlots, kSamples };

// Makes leaves of scores^alpha. read(first, limit) returns a span of the scores, float or double,
// from the first one on: at least one and at most `limit`; NaN: unscored. A span that is not the
// last one is of a multiple of kPiece.
template <Order kOrder, typename Read>
class LeafMaker {
 public:
  LeafMaker(const Population& population, Read read, double alpha, DrawIndex* result)
      : population_(population), read_(read), alpha_(alpha), result_(*result) {}

  // Raising to a power is what takes most of the time, so it is not done once for the scale and
  // once for the leaves: a guess of the scale is nearly always right, as the leaves themselves
  // tell, and where it was not, leaves are made again.
  void Make(const Guard& guard) {
    const ScoreSummary summary = Summary(guard);
    result_.any_positive = summary.largest_scored > 0;
    const LeafScale unit(alpha_, summary, 0);
    result_.scale.emplace(alpha_, summary, Powers(unit, kSampleEvery));
    MakeLeaves();
    if (result_.scale->IsThatOf(summary, result_.index->weights().total())) return;
    const LeafScale exact(alpha_, summary, Powers(unit, kPiece));
    if (exact.parameters().weight_exponent == result_.scale->parameters().weight_exponent) return;
    result_.scale = exact;
    MakeLeaves();
  }

 private:
  ScoreSummary Summary(const Guard& guard) const {
    ScoreSums sums;
    for (uint64_t first = 0; first < size_;) {
      const auto scores = read_(first, size_ - first);
      AddScores(scores, &sums);
      first += scores.size();
    }
    sums.scored -= size_ - population_.size();
    return Summarise(sums, population_.size(), guard);
  }

  // The sum of all powers, by that of a piece of every `step` scores.
  double Powers(const LeafScale& scale, uint64_t step) const {
    double powers = 0;
    uint64_t seen = 0;
    for (uint64_t first = 0; first < size_; first += step) {
      const auto scores = read_(first, std::min(kPiece, size_ - first));
      powers += scale.SumPowers(scores);
      seen += scores.size();
    }
    return powers / static_cast<double>(seen) * static_cast<double>(size_);
  }

  void MakeLeaves() {
    result_.clamped = 0;
    const auto encode = [this](uint64_t first, absl::Span<Leaf> out) {
      while (!out.empty()) {
        const auto scores = read_(first, out.size());
        result_.clamped += result_.scale->Encode(scores, out.subspan(0, scores.size()));
        first += scores.size();
        out.remove_prefix(scores.size());
      }
    };
    result_.index = std::make_unique<StratumIndex>(population_, [&](absl::Span<Leaf> leaves) {
      if (kOrder == Order::kSamples) return GatherBySlot(population_, encode, leaves.data());
      encode(0, leaves);
    });
  }

  const Population& population_;
  const Read read_;
  const double alpha_;
  const uint64_t size_ = kOrder == Order::kSamples ? population_.num_samples : population_.size();
  DrawIndex& result_;
};

template <Order kOrder, typename Read>
void Fill(const Population& population, Read read, double alpha, const Guard& guard,
          DrawIndex* result) {
  LeafMaker<kOrder, Read>(population, read, alpha, result).Make(guard);
}

// Whether the preference reads reported scores as they stand.
bool ReadsThemselves(const Preference& preference) {
  return preference.irreducible.empty() && ReadingOf(preference) == nullptr;
}

void FillFromScores(const PlanInput& input, const Population& population, DrawIndex* result) {
  const Preference& preference = input.spec.preference;
  if (ReadsThemselves(preference)) {
    SampleScores scores(input.columns.score(preference.score), population);
    return Fill<Order::kSamples>(
        population, [&scores](uint64_t first, uint64_t limit) { return scores.Read(first, limit); },
        preference.alpha, input.spec.guard, result);
  }
  const PreferredScores scores(input, population);
  double piece[kPiece];
  const auto read = [&](uint64_t first, uint64_t limit) -> absl::Span<const double> {
    const auto some = absl::MakeSpan(piece, std::min(kPiece, limit));
    scores.Read(first, some);
    return some;
  };
  Fill<Order::kSlots>(population, read, preference.alpha, input.spec.guard, result);
}

void FillFromValues(const std::vector<double>& values, const Population& population,
                    DrawIndex* result) {
  const bool any_positive = result->any_positive;
  const auto read = [&values](uint64_t first, uint64_t limit) {
    return absl::MakeConstSpan(values).subspan(first, limit);
  };
  Fill<Order::kSlots>(population, read, 1, Guard{}, result);
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
