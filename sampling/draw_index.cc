#include "sampling/draw_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "sampling/by_slot.h"
#include "sampling/inner_draw.h"
#include "sampling/merge_parts.h"
#include "sampling/parts.h"
#include "sampling/preference.h"
#include "sampling/preferred_scores.h"
#include "sampling/rank_leaves.h"
#include "sampling/repeat_cap.h"
#include "sampling/sample_scores.h"
#include "sampling/stratum_parts.h"
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

  // Reading scores, and raising them to a power, is what takes the time, so it is not done once for
  // the scale and once for the leaves: the scale of a sample of the scores is nearly always right,
  // as the leaves themselves tell, and where it was not, leaves are made again.
  void Make(const Guard& guard) {
    if (size_ <= kSampleEvery || !MakeByGuess(guard)) MakeExactly(guard);
  }

 private:
  // Returns whether the leaves are right: not where some sample has no score, whose leaf goes by
  // the mean of all.
  bool MakeByGuess(const Guard& guard) {
    const Sums guessed = SumPieces(kSampleEvery);
    if (guessed.scores.scored < guessed.seen) return false;
    SetScale(SummaryOf(guessed.scores, guessed.seen, guard), kSampleEvery);
    ScoreSums sums;
    MakeLeaves(&sums);
    const ScoreSummary summary = SummaryOf(sums, size_, guard);
    result_.any_positive = summary.largest_scored > 0;
    if (sums.scored < size_) return false;
    const uint64_t total = result_.index->weights().total();
    if (!result_.scale->IsThatOf(summary, total)) return false;
    LeafScale::Parameters parameters = result_.scale->parameters();
    parameters.unscored = summary.unscored;
    result_.scale.emplace(alpha_, parameters);
    return true;
  }

  void MakeExactly(const Guard& guard) {
    const Sums sums = SumPieces(kPiece);
    const ScoreSummary summary = SummaryOf(sums.scores, size_, guard);
    result_.any_positive = summary.largest_scored > 0;
    SetScale(summary, kSampleEvery);
    MakeLeaves(nullptr);
    if (result_.scale->IsThatOf(summary, result_.index->weights().total())) return;
    const auto guess = result_.scale->parameters().weight_exponent;
    SetScale(summary, kPiece);
    if (result_.scale->parameters().weight_exponent != guess) MakeLeaves(nullptr);
  }

  // Calls f(part, scores) for a piece of every `step` scores.
  template <typename F>
  void ForEachPiece(uint64_t step, F f) const {
    ForEachPart(executor_, size_, [&](size_t part, uint64_t first, uint64_t last) {
      for (auto read = new_reader_(); first < last; first += step) {
        f(part, read(first, std::min(kPiece, last - first)));
      }
    });
  }

  struct Sums {
    ScoreSums scores;
    uint64_t seen = 0;
  };
  Sums SumPieces(uint64_t step) const {
    std::vector<Sums> parts(NumParts(size_));
    ForEachPiece(step, [&](size_t part, auto scores) {
      AddScores(scores, &parts[part].scores);
      parts[part].seen += scores.size();
    });
    Sums sums;
    for (const Sums& part : parts) {
      AddSums(part.scores, &sums.scores);
      sums.seen += part.seen;
    }
    return sums;
  }

  // Of the population, by what `seen` scores add up to.
  ScoreSummary SummaryOf(ScoreSums sums, uint64_t seen, const Guard& guard) const {
    const uint64_t unscored = seen - sums.scored;
    sums.scored = population_.size() - unscored;
    return Summarise(sums, population_.size(), guard);
  }

  void SetScale(const ScoreSummary& summary, uint64_t step) {
    const LeafScale unit(alpha_, summary, 0);
    result_.scale.emplace(alpha_, summary, Powers(unit, step));
  }

  // The sum of all powers, by that of a piece of every `step` scores.
  double Powers(const LeafScale& scale, uint64_t step) const {
    struct Sum {
      double powers = 0;
      uint64_t seen = 0;
    };
    std::vector<Sum> parts(NumParts(size_));
    ForEachPiece(step, [&](size_t part, auto scores) {
      parts[part].powers += scale.SumPowers(scores);
      parts[part].seen += scores.size();
    });
    Sum sum;
    for (const Sum& part : parts) {
      sum.powers += part.powers;
      sum.seen += part.seen;
    }
    return sum.powers / static_cast<double>(sum.seen) * static_cast<double>(size_);
  }

  // With `sums`, adds up the scores as well, while they are in the cache.
  void MakeLeaves(ScoreSums* sums) {
    struct Part {
      uint64_t clamped = 0;
      ScoreSums sums;
    };
    std::vector<Part> parts(NumParts(size_));
    const auto encode = [&](uint64_t first, absl::Span<Leaf> out) {
      Part& part = parts[first / kPartSize];
      for (auto read = new_reader_(); !out.empty();) {
        const auto scores = read(first, out.size());
        part.clamped += result_.scale->Encode(scores, out.subspan(0, scores.size()));
        if (sums != nullptr) AddScores(scores, &part.sums);
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
    result_.index.reset();  // before there is a second one
    result_.index = std::make_unique<StratumIndex>(population_, fill);
    result_.clamped = 0;
    for (const Part& part : parts) {
      result_.clamped += part.clamped;
      if (sums != nullptr) AddSums(part.sums, sums);
    }
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

// Writes the leaves of samples first, first + 1, ..., of which those in the set have `leaf` and the
// others 0; `first` begins a word.
void WriteMembers(const SampleSet& set, uint64_t first, Leaf leaf, absl::Span<Leaf> leaves) {
  constexpr size_t kByte = 8;
  size_t k = 0;
  for (; k + kByte <= leaves.size(); k += kByte) {
    const uint64_t byte = set.words()[(first + k) / 64] >> k % 64;
    for (size_t bit = 0; bit < kByte; ++bit) {  // a vector
      leaves[k + bit] = (static_cast<uint8_t>(byte) & 1 << bit) != 0 ? leaf : Leaf{0};
    }
  }
  for (; k < leaves.size(); ++k) leaves[k] = set.Contains(first + k) ? leaf : Leaf{0};
}

// Leaves of a set of samples, which are alike.
void FillFromSet(const SampleSet& set, const Population& population, const Executor* executor,
                 DrawIndex* result) {
  const uint64_t members = set.Count();
  result->scale = ScaleOfValues(population.size(), static_cast<double>(members), 1);
  bool clamped = false;
  const Leaf leaf = result->scale->Encode(1, &clamped);
  const auto fill = [&](absl::Span<Leaf> leaves, SumPart sum_part) {
    ForEachPart(executor, leaves.size(), [&](size_t, uint64_t first, uint64_t last) {
      if (population.strata == nullptr) {
        WriteMembers(set, first, leaf, leaves.subspan(first, last - first));
      } else {
        for (uint64_t slot = first; slot < last; ++slot) {
          leaves[slot] = set.Contains(population.sample(slot)) ? leaf : Leaf{0};
        }
      }
      sum_part(first, last);
    });
  };
  result->index = std::make_unique<StratumIndex>(population, fill);
  result->clamped = clamped ? members : 0;
  result->any_positive = true;
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
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const double share = population.num_strata() == 1 ? 1 : shares.share(g);
    const auto stratum =
        absl::MakeSpan(draw.probabilities).subspan(population.first(g), population.count(g));
    ForEachPart(executor, stratum.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (double& q : stratum.subspan(first, last - first)) {
        q = (1 - by_target) * share * q + by_target / inverse_targets[g];
      }
    });
  });
  CapRepeats(cap, input.executor, absl::MakeSpan(draw.probabilities));
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
  if (input.spec.preference.kind == Preference::Kind::kBand) {
    FillFromSet(ChosenSamples(input, population), population, input.executor, &result);
    return result;
  }
  if (input.spec.preference.kind == Preference::Kind::kRank &&
      FillFromRanks(input, population, &result)) {
    return result;
  }
  PreferenceValues preferred = ValuesOf(input, population);
  result.any_positive = !preferred.all_alike;
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const auto values =
        absl::MakeSpan(preferred.values).subspan(population.first(g), population.count(g));
    const double sum = SumOf(executor, values);
    const double scale = sum > 0 ? static_cast<double>(values.size()) / sum : 0;
    ForEachPart(executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (double& value : values.subspan(first, last - first)) value *= scale;
    });
  });
  FillFromValues(input, preferred.values, population, &result);
  return result;
}

}  // namespace subset::sampling
