#include "sampling/preference.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/types/span.h"
#include "base/log.h"
#include "sampling/huge_array.h"
#include "sampling/leaf.h"
#include "sampling/leaf_bulk.h"
#include "sampling/preferred_scores.h"
#include "sampling/ranks.h"
#include "sampling/repeat_factor.h"

namespace subset::sampling {
namespace {

constexpr double kLog2E = 0x1.71547652b82fep+0;
constexpr double kLeastExponent = -1000;  // of 2: a positive value never becomes 0

double Exp2(double exponent) { return PortableExp2(std::max(exponent, kLeastExponent)); }

// Scores by slot, the unscored ones by policy; those to be kept are NaN.
struct SlotScores {
  std::vector<double> scores;
  bool any = false;  // scored, or given a prior
};

SlotScores ScoresOf(const PlanInput& input, const Population& population) {
  const PreferredScores preferred(input, population);
  const Guard& guard = input.spec.guard;
  const bool keep = guard.unscored == Guard::Unscored::kKeep;
  const double unscored =
      keep ? std::numeric_limits<double>::quiet_NaN() : UnscoredScore(guard, preferred);
  SlotScores result;
  result.scores = HugeVector<double>(population.size());
  preferred.Read(0, absl::MakeSpan(result.scores));
  for (double& score : result.scores) {
    if (std::isnan(score)) score = unscored;
    result.any |= !std::isnan(score);
  }
  return result;
}

// Calls f(slots) with the ranked slots [first, first + count) of each stratum, or of all at once.
template <typename F>
void ForEachRanking(const PlanInput& input, const Population& population,
                    const std::vector<double>& scores, bool per_stratum, F f) {
  const PhiloxKey ties = DeriveKey(input.key, Purpose::kTies);
  const size_t rankings = per_stratum ? population.num_strata() : 1;
  std::vector<RankedSlot> ranked;
  for (size_t g = 0; g < rankings; ++g) {
    const uint64_t first = per_stratum ? population.first(g) : 0;
    const uint64_t count = per_stratum ? population.count(g) : population.size();
    ranked.clear();
    ranked.reserve(count);
    for (uint64_t slot = first; slot < first + count; ++slot) {
      if (std::isnan(scores[slot])) continue;
      ranked.emplace_back(scores[slot], population.sample(slot), static_cast<uint32_t>(slot), ties);
    }
    f(&ranked);
  }
}

// v = (score / largest of the stratum)^alpha. Returns whether any score is positive.
bool Power(double alpha, absl::Span<double> values) {
  double largest = 0;
  for (const double score : values) largest = std::max(largest, score);
  if (largest == 0) {
    std::fill(values.begin(), values.end(), 0);
    return false;
  }
  RaiseRatios(alpha, largest, values);
  return true;
}

void Softmax(double temperature, absl::Span<double> values) {
  const double largest = *std::max_element(values.begin(), values.end());
  for (double& value : values) value = Exp2((value - largest) / temperature * kLog2E);
}

// The age of times after `now` is 0. `now` cancels in a stratum that has none of them.
void Recency(double half_life, double now, absl::Span<double> values) {
  const double newest = std::min(now, *std::max_element(values.begin(), values.end()));
  for (double& value : values) value = Exp2((std::min(now, value) - newest) / half_life);
}

void Rank(const Preference& preference, const std::vector<RankedSlot>& ranked,
          std::vector<double>* values) {
  const double n = static_cast<double>(ranked.size());
  const double pressure = PortableLog2(preference.pressure);
  for (size_t k = 0; k < ranked.size(); ++k) {
    const double r = static_cast<double>(k);
    const double exponent = preference.law == Preference::Law::kPower
                                ? preference.alpha * PortableLog2(r + 1)
                                : pressure * r / n;
    (*values)[ranked[k].slot] = Exp2(-exponent);
  }
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
    for (uint64_t slot = 0; slot < population.size(); ++slot) {
      result.values.push_back(chosen.Contains(population.sample(slot)) ? 1 : 0);
    }
    return result;
  }

  if (preference.kind == Preference::Kind::kRepeatFactor) {
    result.values = RepeatFactors(input, population);
    const double largest = *std::max_element(result.values.begin(), result.values.end());
    for (double& value : result.values) value /= largest;
    return result;
  }

  SlotScores slots = ScoresOf(input, population);
  std::vector<double>& values = result.values;
  if (preference.kind == Preference::Kind::kSelfPaced) {
    values = std::move(slots.scores);
    for (double& value : values) value = SelfPacedValue(preference, value);
    return result;
  }
  if (!slots.any) {
    values.assign(population.size(), 1);
    result.all_alike = true;
    return result;
  }
  if (preference.kind == Preference::Kind::kRank) {
    values = HugeVector<double>(population.size());
    ForEachRanking(input, population, slots.scores, true, [&](std::vector<RankedSlot>* ranked) {
      SortLargestFirst(ranked);
      Rank(preference, *ranked, &values);
    });
    return result;
  }
  values = std::move(slots.scores);
  const double newest = *std::max_element(values.begin(), values.end());
  bool any_positive = false;
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const auto stratum = absl::MakeSpan(values).subspan(population.first(g), population.count(g));
    switch (preference.kind) {
      case Preference::Kind::kScorePower:
        any_positive |= Power(preference.alpha, stratum);
        break;
      case Preference::Kind::kSoftmax:
        Softmax(preference.temperature, stratum);
        break;
      case Preference::Kind::kRecency:
        Recency(preference.half_life, preference.now.value_or(newest), stratum);
        break;
      default:
        SUBSET_CHECK(false);
    }
  }
  result.all_alike = preference.kind == Preference::Kind::kScorePower && !any_positive;
  return result;
}

SampleSet ChosenSamples(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  SlotScores slots = ScoresOf(input, population);
  SampleSet chosen(population.num_samples);
  bool any = false;
  const auto insert = [&](uint64_t slot) {
    chosen.Insert(population.sample(slot));
    any = true;
  };
  for (uint64_t slot = 0; slot < population.size(); ++slot) {
    const bool alone = preference.kind == Preference::Kind::kSelfPaced
                           ? SelfPacedValue(preference, slots.scores[slot]) > 0
                           : std::isnan(slots.scores[slot]);
    if (alone) insert(slot);
  }
  if (preference.kind == Preference::Kind::kBand) {
    if (preference.smallest) {
      for (double& score : slots.scores) score = -score;
    }
    ForEachRanking(input, population, slots.scores, preference.per_stratum,
                   [&](std::vector<RankedSlot>* ranked) {
                     const uint64_t n = ranked->size();
                     if (n == 0) return;
                     const uint64_t first = std::min(FloorFraction(preference.skip, n), n - 1);
                     const uint64_t keep = std::max<uint64_t>(1, FloorFraction(preference.keep, n));
                     const uint64_t last = std::min(n, first + keep);
                     PartitionRanks(first, last, ranked);
                     for (uint64_t k = first; k < last; ++k) insert((*ranked)[k].slot);
                   });
  }
  if (!any) {
    for (uint64_t slot = 0; slot < population.size(); ++slot) insert(slot);
  }
  return chosen;
}

std::vector<double> KeepProbabilities(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  const SlotScores slots = ScoresOf(input, population);
  std::vector<double> keep(population.size(), 1);
  ForEachRanking(input, population, slots.scores, false, [&](std::vector<RankedSlot>* ranked) {
    SortLargestFirst(ranked);
    const size_t n = ranked->size();
    for (size_t first = 0; first < n;) {
      size_t last = first + 1;
      while (last < n && (*ranked)[last].order == (*ranked)[first].order) ++last;
      const double less = static_cast<double>(n - last);
      const double equal = static_cast<double>(last - first);
      const double percentile = (less + equal / 2) / static_cast<double>(n);
      const double p = std::max(preference.least, PortablePow(percentile, preference.beta));
      for (size_t k = first; k < last; ++k) keep[(*ranked)[k].slot] = p;
      first = last;
    }
  });
  return keep;
}

}  // namespace subset::sampling
