#include "sampling/preferred_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <type_traits>

#include "sampling/by_slot.h"
#include "sampling/forgetting.h"
#include "sampling/irreducible.h"
#include "sampling/merge_parts.h"

namespace subset::sampling {
namespace {

// Writes the scores of samples first, first + 1, ...
template <typename Score>
void ReadReported(ScoreView reported, uint64_t first, absl::Span<Score> scores) {
  while (!scores.empty()) {
    const uint64_t at = first % kChunkSamples;
    const uint64_t count = std::min<uint64_t>(kChunkSamples - at, scores.size());
    const float* chunk = reported.chunks.empty() ? nullptr : reported.chunks[first / kChunkSamples];
    if (chunk == nullptr) {
      std::fill_n(scores.begin(), count, std::numeric_limits<Score>::quiet_NaN());
    } else {
      std::copy_n(chunk + at, count, scores.begin());
    }
    first += count;
    scores.remove_prefix(count);
  }
}

constexpr uint64_t kPiece = 1024;

// What scores come to, by lanes, so that the compiler makes vectors of them.
struct Scored {
  static constexpr size_t kLanes = 8;

  Scored() { maxima.fill(-std::numeric_limits<double>::infinity()); }

  void Add(const double (&piece)[kPiece]) {
    for (size_t k = 0; k < kPiece; k += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const double score = piece[k + lane];
        const bool known = score == score;
        sums[lane] += known ? score : 0;
        maxima[lane] = score > maxima[lane] ? score : maxima[lane];
        count += known;
      }
    }
  }
  void Add(const Scored& part) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += part.sums[lane];
      maxima[lane] = std::max(maxima[lane], part.maxima[lane]);
    }
    count += part.count;
  }

  std::array<double, kLanes> sums = {};
  std::array<double, kLanes> maxima;
  uint64_t count = 0;
};

}  // namespace

ScoreReading ReadingOf(const Preference& preference) {
  if (!preference.column.empty() || preference.score != kForgettingColumn) return nullptr;
  switch (preference.kind) {
    case Preference::Kind::kScorePower:
    case Preference::Kind::kBelowMeanPruning:
    case Preference::Kind::kSoftmax:
    case Preference::Kind::kSelfPaced:
      return ForgettingWeight;
    default:
      return ForgettingRank;
  }
}

PreferredScores::PreferredScores(ScoreView reported, const Population& population,
                                 const Executor* executor)
    : size_(population.size()) {
  if (population.strata == nullptr) {
    reported_ = reported;
    return;
  }
  gathered_ = HugeArray<float>(size_);
  GatherBySlot(
      population,
      [reported](uint64_t first, absl::Span<float> out) { ReadReported(reported, first, out); },
      executor, gathered_.data());
}

PreferredScores::PreferredScores(const PlanInput& input, const Population& population)
    : size_(population.size()) {
  const Preference& preference = input.spec.preference;
  if (preference.column.empty()) {
    *this = PreferredScores(input.columns.score(preference.score), population, input.executor);
    reading_ = ReadingOf(preference);
  } else {
    ReadColumn(input.columns.dataset.at(preference.column), population, input.executor);
  }
  subtract_ = IrreducibleLosses(input, population);
}

void PreferredScores::ReadColumn(const ColumnView& column, const Population& population,
                                 const Executor* executor) {
  using Type = ColumnView::Type;
  if (column.type == Type::kFloat32 && population.strata == nullptr) {
    for (const void* chunk : column.chunks) chunks_.push_back(static_cast<const float*>(chunk));
    reported_ = {chunks_};
    return;
  }
  const auto gather = [&](auto* values) {
    *values = std::remove_reference_t<decltype(*values)>(size_);
    GatherBySlot(
        population, [column](uint64_t first, auto out) { ReadValues(column, first, out); },
        executor, values->data());
  };
  const bool floats =
      column.type == Type::kFloat32 || column.type == Type::kUint8 || column.type == Type::kUint16;
  floats ? gather(&gathered_) : gather(&column_);
}

void PreferredScores::Read(uint64_t first, absl::Span<double> scores) const {
  if (column_.size() > 0) {
    std::copy_n(column_.data() + first, scores.size(), scores.begin());
  } else if (gathered_.size() > 0) {
    std::copy_n(gathered_.data() + first, scores.size(), scores.begin());
  } else {
    ReadReported(reported_, first, scores);
  }
  if (reading_ != nullptr) {
    for (double& score : scores) score = reading_(static_cast<float>(score));
  }
  if (subtract_.size() == 0) return;
  for (size_t k = 0; k < scores.size(); ++k) scores[k] -= subtract_[first + k];
}

absl::Span<const float> PreferredScores::Floats(uint64_t first, absl::Span<float> room) const {
  if (float_valued()) {
    if (gathered_.size() > 0) return absl::MakeConstSpan(gathered_.data() + first, room.size());
    const uint64_t at = first % kChunkSamples;
    if (!reported_.chunks.empty() && at + room.size() <= kChunkSamples) {
      const float* chunk = reported_.chunks[first / kChunkSamples];
      if (chunk != nullptr) return absl::MakeConstSpan(chunk + at, room.size());
    }
    ReadReported(reported_, first, room);
    return room;
  }
  size_t next = 0;
  ForEach(first, first + room.size(),
          [&](uint64_t, double score) { room[next++] = static_cast<float>(score); });
  return room;
}

double UnscoredScore(const Guard& guard, const PreferredScores& scores, const Executor* executor) {
  if (guard.unscored == Guard::Unscored::kPrior) return guard.unscored_prior;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const Scored scored = MergeParts(
      executor, scores.size(),
      [&](uint64_t first, uint64_t last) {
        Scored part;
        double piece[kPiece];
        for (; first < last; first += kPiece) {
          const uint64_t count = std::min(kPiece, last - first);
          scores.Read(first, absl::MakeSpan(piece, count));
          std::fill(piece + count, piece + kPiece, kNan);
          part.Add(piece);
        }
        return part;
      },
      [](const Scored& part, Scored* all) { all->Add(part); });
  if (scored.count == 0) return kNan;
  if (guard.unscored == Guard::Unscored::kMaximum) {
    return *std::max_element(scored.maxima.begin(), scored.maxima.end());
  }
  return std::accumulate(scored.sums.begin(), scored.sums.end(), 0.0) /
         static_cast<double>(scored.count);
}

}  // namespace subset::sampling
