#include "sampling/preference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "absl/types/span.h"
#include "base/log.h"
#include "sampling/huge_array.h"
#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/merge_parts.h"
#include "sampling/parts.h"
#include "sampling/preferred_scores.h"
#include "sampling/rank_values.h"
#include "sampling/ranking.h"
#include "sampling/ranks.h"
#include "sampling/repeat_factor.h"
#include "sampling/set_members.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

constexpr double kLog2E = 0x1.71547652b82fep+0;

// What unscored samples have; NaN where they are to be kept, or nothing is scored.
double Unscored(const PlanInput& input, const PreferredScores& scores) {
  const Guard& guard = input.spec.guard;
  if (guard.unscored == Guard::Unscored::kKeep) return std::numeric_limits<double>::quiet_NaN();
  return UnscoredScore(guard, scores, input.executor);
}

// Scores by slot, the unscored ones by policy; those to be kept are NaN.
struct SlotScores {
  std::vector<double> scores;
  double unscored;  // NaN also where nothing is scored
};

SlotScores ScoresOf(const PlanInput& input, const Population& population) {
  const PreferredScores preferred(input, population);
  SlotScores result = {HugeVector<double>(population.size()), Unscored(input, preferred)};
  ForEachPart(input.executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
    const auto scores = absl::MakeSpan(result.scores).subspan(first, last - first);
    preferred.Read(first, scores);
    for (double& score : scores) {
      if (std::isnan(score)) score = result.unscored;
    }
  });
  return result;
}

// The slots of a population from `begin` on, by their scores in a type that holds them exactly.
template <typename T>
class ScoredItems {
 public:
  using Value = T;

  ScoredItems(const PreferredScores& scores, const Population& population, uint64_t begin,
              uint64_t size, double unscored, bool smallest_first)
      : scores_(scores),
        population_(population),
        begin_(begin),
        size_(size),
        unscored_(static_cast<T>(unscored)),
        sign_(smallest_first ? -1 : 1),
        as_they_are_(!smallest_first && std::isnan(unscored)) {}

  uint64_t size() const { return size_; }
  uint32_t sample(uint64_t k) const { return population_.sample(begin_ + k); }

  absl::Span<const T> Read(uint64_t first, uint64_t count, T* values) const {
    absl::Span<const T> scores;
    if constexpr (std::is_same_v<T, float>) {
      scores = scores_.Floats(begin_ + first, absl::MakeSpan(values, count));
    } else {
      scores_.Read(begin_ + first, absl::MakeSpan(values, count));
      scores = {values, count};
    }
    if (as_they_are_) return scores;
    const T unscored = unscored_;  // not read again for each value
    const T sign = sign_;
    for (uint64_t k = 0; k < count; ++k) {
      values[k] = sign * (scores[k] != scores[k] ? unscored : scores[k]);
    }
    return {values, count};
  }

 private:
  const PreferredScores& scores_;
  const Population& population_;
  const uint64_t begin_;
  const uint64_t size_;
  const T unscored_;
  const T sign_;
  const bool as_they_are_;
};

// Returns those of `items` that are in the band: the ranks after those it skips, the largest first,
// and who is to be kept.
template <typename Items>
SampleSet BandOf(const Preference& preference, const Items& items, const PhiloxKey& ties,
                 const Executor* executor) {
  const auto band_of = [&](uint64_t n) -> RankBand {
    const uint64_t skip = n == 0 ? 0 : std::min(FloorFraction(preference.skip, n), n - 1);
    const uint64_t keep = std::max<uint64_t>(1, FloorFraction(preference.keep, n));
    return {n - std::min(n, skip + keep), n - skip};
  };
  return Ranking<Items>(items, ties, executor).Between(band_of, true);
}

// The samples of a band.
SampleSet BandOf(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  const PreferredScores scores(input, population);
  const double unscored = Unscored(input, scores);
  const PhiloxKey ties = DeriveKey(input.key, Purpose::kTies);
  const bool floats =
      scores.float_valued() && (std::isnan(unscored) || static_cast<float>(unscored) == unscored);
  const auto slots_of = [&](auto type, uint64_t begin, uint64_t size) {
    const ScoredItems<decltype(type)> items(scores, population, begin, size, unscored,
                                            preference.smallest);
    return BandOf(preference, items, ties, input.executor);
  };
  const auto slots = [&](uint64_t begin, uint64_t size) {
    return floats ? slots_of(float(), begin, size) : slots_of(double(), begin, size);
  };
  if (population.strata == nullptr) return slots(0, population.size());
  SampleSet chosen(population.num_samples);
  const auto choose = [&](uint64_t begin, uint64_t size) {
    ForEachMember(slots(begin, size),
                  [&](uint64_t k) { chosen.Insert(population.sample(begin + k)); });
  };
  if (!preference.per_stratum) {
    choose(0, population.size());
    return chosen;
  }
  for (size_t g = 0; g < population.num_strata(); ++g) {
    choose(population.first(g), population.count(g));
  }
  return chosen;
}

// v = (score / largest of the stratum)^alpha. Returns whether any score is positive.
bool Power(double alpha, const Executor* executor, absl::Span<double> values) {
  const double largest = LargestOf(executor, values);
  if (largest <= 0) {
    std::fill(values.begin(), values.end(), 0);
    return false;
  }
  ForEachPart(executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
    RaiseRatios(alpha, largest, values.subspan(first, last - first));
  });
  return true;
}

// v = 2^exponent(value).
template <typename Exponent>
void Exponentials(const Executor* executor, absl::Span<double> values, Exponent exponent) {
  ForEachPart(executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
    const auto part = values.subspan(first, last - first);
    for (double& value : part) value = exponent(value);
    RaiseTwo(part);
  });
}

void Softmax(double temperature, const Executor* executor, absl::Span<double> values) {
  const double largest = LargestOf(executor, values);
  Exponentials(executor, values,
               [=](double value) { return (value - largest) / temperature * kLog2E; });
}

// The age of times after `now` is 0. `now` cancels in a stratum that has none of them.
void Recency(double half_life, double now, const Executor* executor, absl::Span<double> values) {
  const double newest = std::min(now, LargestOf(executor, values));
  Exponentials(executor, values,
               [=](double value) { return (std::min(now, value) - newest) / half_life; });
}

// The values of all ranks, each of those of its stratum; 1 where nothing is scored.
PreferenceValues RankValues(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  const Rankings rankings(input, population);
  PreferenceValues result;
  result.all_alike = !rankings.any();
  if (result.all_alike) {
    result.values.assign(population.size(), 1);
    return result;
  }
  result.values = HugeVector<double>(population.size());
  rankings.ForEach([&](size_t, const Ranks& ranks, const Executor* executor) {
    ForEachPart(executor, ranks.size(), [&](size_t, uint64_t first, uint64_t last) {
      ForEachRankValues(preference, ranks.size(), first, last,
                        [&](uint64_t rank, absl::Span<const double> values) {
                          for (const double value : values)
                            result.values[ranks.slot(rank++)] = value;
                        });
    });
  });
  return result;
}

double SelfPacedValue(const Preference& preference, double score) {
  if (std::isnan(score)) return 1;
  if (!preference.soft) return score < preference.threshold ? 1 : 0;
  return std::max(0.0, 1 - std::max(0.0, score) / preference.threshold);
}

}  // namespace

PreferenceValues ValuesOf(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  PreferenceValues result;
  if (preference.kind == Preference::Kind::kUniform) {
    result.values.assign(population.size(), 1);
    return result;
  }
  if (preference.kind == Preference::Kind::kKeepProbability) {
    result.values = KeepProbabilities(input, population);
    return result;
  }
  if (preference.kind == Preference::Kind::kBand) {
    const SampleSet chosen = ChosenSamples(input, population);
    result.values = HugeVector<double>(population.size());
    ForEachPart(input.executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (uint64_t slot = first; slot < last; ++slot) {
        result.values[slot] = chosen.Contains(population.sample(slot)) ? 1 : 0;
      }
    });
    return result;
  }

  if (preference.kind == Preference::Kind::kRepeatFactor) {
    result.values = RepeatFactors(input, population);
    const double largest = LargestOf(input.executor, result.values);
    ForEachPart(input.executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (uint64_t slot = first; slot < last; ++slot) result.values[slot] /= largest;
    });
    return result;
  }

  std::vector<double>& values = result.values;
  if (preference.kind == Preference::Kind::kRank) return RankValues(input, population);

  SlotScores slots = ScoresOf(input, population);
  if (preference.kind == Preference::Kind::kSelfPaced) {
    values = std::move(slots.scores);
    ForEachPart(input.executor, values.size(), [&](size_t, uint64_t first, uint64_t last) {
      for (uint64_t slot = first; slot < last; ++slot) {
        values[slot] = SelfPacedValue(preference, values[slot]);
      }
    });
    return result;
  }
  if (std::isnan(slots.unscored)) {
    values.assign(population.size(), 1);
    result.all_alike = true;
    return result;
  }
  values = std::move(slots.scores);
  const double newest = LargestOf(input.executor, values);
  std::vector<uint8_t> positive(population.num_strata());  // whether any score is
  ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
    const auto stratum = absl::MakeSpan(values).subspan(population.first(g), population.count(g));
    switch (preference.kind) {
      case Preference::Kind::kScorePower:
        positive[g] = Power(preference.alpha, executor, stratum);
        break;
      case Preference::Kind::kSoftmax:
        Softmax(preference.temperature, executor, stratum);
        break;
      case Preference::Kind::kRecency:
        Recency(preference.half_life, preference.now.value_or(newest), executor, stratum);
        break;
      default:
        SUBSET_CHECK(false);
    }
  });
  result.all_alike = preference.kind == Preference::Kind::kScorePower &&
                     std::find(positive.begin(), positive.end(), 1) == positive.end();
  return result;
}

SampleSet ChosenSamples(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  if (preference.kind == Preference::Kind::kBand) return BandOf(input, population);
  const SlotScores slots = ScoresOf(input, population);
  SampleSet chosen(population.size());
  ForEachPart(input.executor, population.size(), [&](size_t, uint64_t first, uint64_t last) {
    for (uint64_t slot = first; slot < last; ++slot) {
      if (SelfPacedValue(preference, slots.scores[slot]) > 0) chosen.Insert(slot);
    }
  });
  if (chosen.Count() == 0) chosen = SampleSet::All(population.size());
  if (population.strata == nullptr) return chosen;
  SampleSet samples(population.num_samples);
  ForEachMember(chosen, [&](uint64_t slot) { samples.Insert(population.sample(slot)); });
  return samples;
}

std::vector<double> KeepProbabilities(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  const PreferredScores scores(input, population);
  const RankedBy by = {scores, Unscored(input, scores), population, std::nullopt};
  const Ranks ranks(by, 0, population.size(), input.executor);
  const uint64_t n = ranks.size();
  std::vector<double> keep;
  ReserveHuge(population.size(), &keep);
  keep.resize(population.size(), 1);
  ForEachPart(input.executor, n, [&](size_t, uint64_t first, uint64_t part_end) {
    while (first > 0 && first < part_end && ranks.TiedWithNext(first - 1)) ++first;
    while (first < part_end) {
      uint64_t last = first + 1;
      while (last < n && ranks.TiedWithNext(last - 1)) ++last;
      const double less = static_cast<double>(n - last);
      const double equal = static_cast<double>(last - first);
      const double percentile = (less + equal / 2) / static_cast<double>(n);
      for (; first < last; ++first) keep[ranks.slot(first)] = percentile;
    }
  });
  ForEachPart(input.executor, keep.size(), [&](size_t, uint64_t first, uint64_t last) {
    const auto part = absl::MakeSpan(keep).subspan(first, last - first);
    RaiseRatios(preference.beta, 1, part);
    for (double& p : part) p = std::max(preference.least, p);
  });
  return keep;
}

}  // namespace subset::sampling
