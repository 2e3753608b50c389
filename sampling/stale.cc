#include "sampling/stale.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "sampling/ranking.h"
#include "sampling/set_members.h"

namespace subset::sampling {
namespace {

// The slots of a population from `begin` on, by the age of their scores.
class StepItems {
 public:
  using Value = float;

  StepItems(ScoreView steps, ScoreView scores, const Population& population, uint64_t begin,
            uint64_t size)
      : steps_(steps), scores_(scores), population_(population), begin_(begin), size_(size) {}

  uint64_t size() const { return size_; }
  uint32_t sample(uint64_t k) const { return population_.sample(begin_ + k); }

  // Never is as old as can be, and what was reported when no steps were kept the oldest after that.
  absl::Span<const float> Read(uint64_t first, uint64_t count, float* ages) const {
    using Limits = std::numeric_limits<float>;
    for (uint64_t k = 0; k < count; ++k) {
      const uint32_t i = sample(first + k);
      const float step = steps_[i];
      const bool scored = !std::isnan(scores_[i]);
      ages[k] = step == step ? -step : scored ? Limits::max() : Limits::infinity();
    }
    return {ages, count};
  }

 private:
  const ScoreView steps_;
  const ScoreView scores_;
  const Population& population_;
  const uint64_t begin_;
  const uint64_t size_;
};

}  // namespace

StaleSlots::StaleSlots(SampleSet set, const Population& population) : members(std::move(set)) {
  offsets.push_back(0);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    for (uint64_t slot = first; slot < first + population.count(g); ++slot) {
      if (members.Contains(slot)) slots.push_back(static_cast<uint32_t>(slot));
    }
    offsets.push_back(slots.size());
  }
}

StaleSlots StalestSlots(const PlanInput& input, const Population& population) {
  const std::string& score = input.spec.preference.score;
  const ScoreView steps = input.columns.score(StepColumn(score));
  const ScoreView scores = input.columns.score(score);
  const PhiloxKey ties = DeriveKey(input.key, Purpose::kStaleTies);
  SampleSet stale(population.size());
  for (size_t g = 0; g < population.num_strata(); ++g) {
    const uint64_t first = population.first(g);
    const uint64_t n = population.count(g);
    const StepItems items(steps, scores, population, first, n);
    const Ranking<StepItems> ranking(items, ties, input.executor);
    const auto oldest = [&](uint64_t ranked) -> RankBand {
      const uint64_t count = FloorFraction(input.spec.guard.stale_fraction, ranked);
      return {ranked - std::min(ranked, std::max<uint64_t>(1, count)), ranked};
    };
    ForEachMember(ranking.Between(oldest, false), [&](uint64_t k) { stale.Insert(first + k); });
  }
  return StaleSlots(std::move(stale), population);
}

}  // namespace subset::sampling
