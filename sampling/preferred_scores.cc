#include "sampling/preferred_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "sampling/by_slot.h"
#include "sampling/forgetting.h"

namespace subset::sampling {

std::vector<float> IrreducibleLosses(const PlanInput& input, const Population& population) {
  const Preference& preference = input.spec.preference;
  if (preference.irreducible.empty()) return {};
  const ColumnView column = input.columns.dataset.at(preference.irreducible);
  std::vector<float> losses(population.num_samples);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t end = population.first(g) + population.count(g);
    double sum = 0;
    uint64_t known = 0;
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      const uint32_t sample = population.sample(slot);
      const double loss = column.At(sample);
      losses[sample] = static_cast<float>(loss);
      if (std::isnan(loss)) continue;
      sum += loss;
      ++known;
    }
    const bool by_mean =
        preference.missing_irreducible == Preference::MissingIrreducible::kStratumMean && known > 0;
    const float missing = by_mean ? static_cast<float>(sum / static_cast<double>(known)) : 0;
    for (uint64_t slot = population.first(g); slot < end; ++slot) {
      float& loss = losses[population.sample(slot)];
      if (std::isnan(loss)) loss = missing;
    }
  }
  return losses;
}

bool WeighsForgetting(const Preference& preference) {
  if (!preference.column.empty() || preference.score != kForgettingColumn) return false;
  switch (preference.kind) {
    case Preference::Kind::kScorePower:
    case Preference::Kind::kBelowMeanPruning:
    case Preference::Kind::kSoftmax:
    case Preference::Kind::kSelfPaced:
      return true;
    default:
      return false;
  }
}

PreferredScores::PreferredScores(ScoreView reported, const Population& population)
    : size_(population.size()) {
  if (population.strata == nullptr) {
    reported_ = reported;
    const auto& chunks = reported.chunks;
    if (chunks.empty() || std::find(chunks.begin(), chunks.end(), nullptr) != chunks.end()) {
      unscored_.resize(kChunkSamples, std::numeric_limits<float>::quiet_NaN());
    }
    return;
  }
  gathered_ = HugeArray<float>(size_);
  GatherBySlot(
      population, [reported](uint32_t i) { return reported[i]; }, gathered_.data());
}

PreferredScores::PreferredScores(const PlanInput& input, const Population& population)
    : size_(population.size()) {
  const Preference& preference = input.spec.preference;
  if (preference.column.empty()) {
    *this = PreferredScores(input.columns.score(preference.score), population);
    forgetting_ = WeighsForgetting(preference);
  } else {
    const ColumnView column = input.columns.dataset.at(preference.column);
    column_ = HugeArray<double>(size_);
    GatherBySlot(
        population, [column](uint32_t i) { return column.At(i); }, column_.data());
  }
  const std::vector<float> losses = IrreducibleLosses(input, population);
  if (losses.empty()) return;
  subtract_.resize(size_);
  GatherBySlot(
      population, [&losses](uint32_t i) { return losses[i]; }, subtract_.data());
}

absl::Span<const float> PreferredScores::Plain(uint64_t first, uint64_t limit) const {
  if (gathered_.size() > 0) return {gathered_.data() + first, limit};
  const uint64_t at = first % kChunkSamples;
  const float* chunk = reported_.chunks.empty() ? nullptr : reported_.chunks[first / kChunkSamples];
  if (chunk == nullptr) chunk = unscored_.data();
  return {chunk + at, std::min(limit, kChunkSamples - at)};
}

void PreferredScores::ReadReported(uint64_t first, absl::Span<double> scores) const {
  while (!scores.empty()) {
    const absl::Span<const float> some = Plain(first, scores.size());
    std::copy(some.begin(), some.end(), scores.begin());
    first += some.size();
    scores.remove_prefix(some.size());
  }
}

void PreferredScores::Read(uint64_t first, absl::Span<double> scores) const {
  if (column_.size() > 0) {
    std::copy_n(column_.data() + first, scores.size(), scores.begin());
  } else {
    ReadReported(first, scores);
  }
  if (forgetting_) {
    for (double& score : scores) score = ForgettingWeight(static_cast<float>(score));
  }
  if (subtract_.empty()) return;
  for (size_t k = 0; k < scores.size(); ++k) scores[k] -= subtract_[first + k];
}

double UnscoredScore(const Guard& guard, const PreferredScores& scores) {
  if (guard.unscored == Guard::Unscored::kPrior) return guard.unscored_prior;
  double sum = 0;
  double maximum = -std::numeric_limits<double>::infinity();
  uint64_t scored = 0;
  scores.ForEach(0, scores.size(), [&](uint64_t, double score) {
    if (std::isnan(score)) return;
    sum += score;
    maximum = std::max(maximum, score);
    ++scored;
  });
  if (scored == 0) return std::numeric_limits<double>::quiet_NaN();
  return guard.unscored == Guard::Unscored::kMaximum ? maximum : sum / static_cast<double>(scored);
}

}  // namespace subset::sampling
