#include "sampling/draw_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "sampling/by_slot.h"
#include "sampling/inner_draw.h"
#include "sampling/parts.h"
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

// Makes leaves of scores^alpha. new_reader() returns a reader of its own for who calls it:
// read(first, limit) returns a span of the scores, float or double, from the first one on: at least
// one and at most `limit`; NaN: unscored. A span that is not the last one is of a multiple of
// kPiece.
template <Order kOrder, typename NewReader>
class LeafMaker {
 public:
  LeafMaker(const Population& population, NewReader new_reader, double alpha,
            const Executor* executor, DrawIndex* result)
      : population_(population),
        new_reader_(new_reader),
        alpha_(alpha),
        executor_(executor),
        result_(*result) {}

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
    std::vector<ScoreSums> parts(NumParts(size_));
    ForEachPart(executor_, size_, [&](size_t part, uint64_t first, uint64_t last) {
      ScoreSums sums;
      for (auto read = new_reader_(); first < last;) {
        const auto scores = read(first, last - first);
        AddScores(scores, &sums);
        first += scores.size();
      }
      parts[part] = sums;
    });
    ScoreSums sums;
    for (const ScoreSums& part : parts) AddSums(part, &sums);
    sums.scored -= size_ - population_.size();
    return Summarise(sums, population_.size(), guard);
  }

  // The sum of all powers, by that of a piece of every `step` scores.
  double Powers(const LeafScale& scale, uint64_t step) const {
    struct Sum {
      double powers = 0;
      uint64_t seen = 0;
    };
    std::vector<Sum> parts(NumParts(size_));
    ForEachPart(executor_, size_, [&](size_t part, uint64_t first, uint64_t last) {
      Sum sum;
      for (auto read = new_reader_(); first < last; first += step) {
        const auto scores = read(first, std::min(kPiece, last - first));
        sum.powers += scale.SumPowers(scores);
        sum.seen += scores.size();
      }
      parts[part] = sum;
    });
    Sum sum;
    for (const Sum& part : parts) {
      sum.powers += part.powers;
      sum.seen += part.seen;
    }
    return sum.powers / static_cast<double>(sum.seen) * static_cast<double>(size_);
  }

  void MakeLeaves() {
    std::vector<uint64_t> clamped(NumParts(size_));
    const auto encode = [&](uint64_t first, absl::Span<Leaf> out) {
      uint64_t& outside = clamped[first / kPartSize];
      for (auto read = new_reader_(); !out.empty();) {
        const auto scores = read(first, out.size());
        outside += result_.scale->Encode(scores, out.subspan(0, scores.size()));
        first += scores.size();
        out.remove_prefix(scores.size());
      }
    };
    const auto fill = [&](absl::Span<Leaf> leaves, SumPart sum_part) {
      // Sample by sample where strata reorder them.
      const bool gathered = kOrder == Order::kSamples && population_.strata != nullptr;
      if (gathered) {
        GatherByStratum(*population_.strata, size_, encode, executor_, leaves.data());
      }
      ForEachPart(executor_, leaves.size(), [&](size_t, uint64_t first, uint64_t last) {
        if (!gathered) encode(first, leaves.subspan(first, last - first));
        sum_part(first, last);
      });
    };
    result_.index = std::make_unique<StratumIndex>(population_, fill);
    result_.clamped = std::accumulate(clamped.begin(), clamped.end(), uint64_t{0});
  }

  const Population& population_;
  const NewReader new_reader_;
  const double alpha_;
  const Executor* const executor_;
  const uint64_t size_ = kOrder == Order::kSamples ? population_.num_samples : population_.size();
  DrawIndex& result_;
};

template <Order kOrder, typename NewReader>
void Fill(const Population& population, NewReader new_reader, double alpha, const Guard& guard,
          const Executor* executor, DrawIndex* result) {
  LeafMaker<kOrder, NewReader>(population, new_reader, alpha, executor, result).Make(guard);
}

// Whether the preference reads reported scores as they stand.
bool ReadsThemselves(const Preference& preference) {
  return preference.irreducible.empty() && ReadingOf(preference) == nullptr;
}

void FillFromScores(const PlanInput& input, const Population& population, DrawIndex* result) {
  const Preference& preference = input.spec.preference;
  if (ReadsThemselves(preference)) {
    const auto new_reader = [&] {
      SampleScores scores(input.columns.score(preference.score), population);
      return [scores = std::move(scores)](uint64_t first, uint64_t limit) mutable {
        return scores.Read(first, limit);
      };
    };
    return Fill<Order::kSamples>(population, new_reader, preference.alpha, input.spec.guard,
                                 input.executor, result);
  }
  const PreferredScores scores(input, population);
  const auto new_reader = [&scores] {
    return [&scores, piece = std::array<double, kPiece>()](
               uint64_t first, uint64_t limit) mutable -> absl::Span<const double> {
      const auto some = absl::MakeSpan(piece).subspan(0, limit);
      scores.Read(first, some);
      return some;
    };
  };
  Fill<Order::kSlots>(population, new_reader, preference.alpha, input.spec.guard, input.executor,
                      result);
}

void FillFromValues(const PlanInput& input, const std::vector<double>& values,
                    const Population& population, DrawIndex* result) {
  const bool any_positive = result->any_positive;
  const auto new_reader = [&values] {
    return [&values](uint64_t first, uint64_t limit) {
      return absl::MakeConstSpan(values).subspan(first, limit);
    };
  };
  Fill<Order::kSlots>(population, new_reader, 1, Guard{}, input.executor, result);
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
    FillFromValues(input, draw.probabilities, population, &result);
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
  FillFromValues(input, preferred.values, population, &result);
  return result;
}

}  // namespace subset::sampling
