#include "sampling/pruning.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/types/span.h"
#include "sampling/exact_mean.h"
#include "sampling/parts.h"
#include "sampling/range_bits.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kPiece = 1024;  // scores
constexpr uint64_t kWord = 64;

// Calls f(first, scores) for pieces of the scores of slots first .. last - 1.
template <typename F>
void ForEachPiece(const PreferredScores& scores, uint64_t first, uint64_t last, F f) {
  float room[kPiece];
  for (; first < last; first += kPiece) {
    f(first, scores.Floats(first, absl::MakeSpan(room, std::min(kPiece, last - first))));
  }
}

ExactMean MeanOf(const PreferredScores& scores, uint64_t first, uint64_t last,
                 const Executor* executor) {
  std::vector<ExactMean> parts(NumParts(last - first));
  ForEachPart(executor, last - first, [&](size_t part, uint64_t begin, uint64_t end) {
    ForEachPiece(scores, first + begin, first + end,
                 [&](uint64_t, absl::Span<const float> some) { parts[part].Add(some); });
  });
  ExactMean mean;
  for (const ExactMean& part : parts) mean.Add(part);
  return mean;
}

// Inserts what is below the mean among slots first .. last - 1.
void InsertBelowMean(const PreferredScores& scores, const Population& population, uint64_t first,
                     uint64_t last, const Executor* executor, SampleSet* low) {
  const ExactMean mean = MeanOf(scores, first, last, executor);
  if (mean.count() == 0) return;
  const float threshold = mean.LeastNotBelow();
  if (population.strata == nullptr) {  // slots are samples: a part has words of the set to itself
    ForEachPart(executor, last, [&](size_t, uint64_t begin, uint64_t end) {
      ForEachPiece(scores, begin, end, [&](uint64_t slot, absl::Span<const float> some) {
        RangeBits words[kPiece / kWord];
        CompareToRange(some, threshold, threshold, words);
        for (size_t k = 0; k < some.size(); k += kWord) {
          low->words()[(slot + k) / kWord] = words[k / kWord].below;
        }
      });
    });
    return;
  }
  ForEachPiece(scores, first, last, [&](uint64_t slot, absl::Span<const float> some) {
    for (const float score : some) {
      if (score < threshold) low->Insert(population.sample(slot));
      ++slot;
    }
  });
}

}  // namespace

bool Prunes(const Preference& preference, uint64_t epoch) {
  return epoch < FloorFraction(preference.delta, preference.total_epochs);
}

SampleSet BelowMean(const PreferredScores& scores, const Population& population, bool per_stratum,
                    const Executor* executor) {
  SampleSet low(population.num_samples);
  if (!per_stratum) {
    InsertBelowMean(scores, population, 0, population.size(), executor, &low);
    return low;
  }
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    InsertBelowMean(scores, population, first, first + population.count(g), executor, &low);
  }
  return low;
}

uint64_t KeptCount(const Preference& preference, uint64_t low) {
  return std::max<uint64_t>(1, FloorFraction(1 - preference.ratio, low));
}

}  // namespace subset::sampling
