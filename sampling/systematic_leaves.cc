#include "sampling/systematic_leaves.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/draw_index.h"
#include "sampling/drawn_slots.h"
#include "sampling/inclusion.h"
#include "sampling/inner_draw.h"
#include "sampling/leaf_scale.h"
#include "sampling/merge_parts.h"
#include "sampling/parts.h"
#include "sampling/stratum_parts.h"

namespace subset::sampling {
namespace {

using Unscored = Guard::Unscored;

// Caps what is certain of `count` draws, so that it takes none of the range of leaves, and returns
// the scale of the others.
LeafScale CapCertain(uint64_t count, const Executor* executor, absl::Span<double> values) {
  const double level =
      WaterLevel(values, {1}, static_cast<double>(std::max<uint64_t>(1, count)), executor);
  const bool all = std::isinf(level);  // every positive one is certain
  struct Part {
    ScoreSummary others;
    double sum = 0;
  };
  const Part part = MergeParts(
      executor, values.size(),
      [&](uint64_t first, uint64_t last) {
        Part own;
        for (double& v : values.subspan(first, last - first)) {
          if (v == 0) continue;
          if (all) v = 1;
          if (all || level * v < 1) {
            ++own.others.samples;
            own.sum += v;
          } else {
            v = std::min(v, 2 / level);  // still above the others when they are whole numbers
          }
          own.others.largest = std::max(own.others.largest, v);
        }
        return own;
      },
      [](const Part& own, Part* merged) {
        merged->others.samples += own.others.samples;
        merged->others.largest = std::max(merged->others.largest, own.others.largest);
        merged->sum += own.sum;
      });
  const LeafScale unit(1, part.others, 0);
  return LeafScale(1, part.others, std::ldexp(part.sum, unit.parameters().score_exponent));
}

SystematicLeaves AlikeLeaves(const PlanInput& input, const Population& population) {
  constexpr Leaf kAlike = 0x7000;
  const auto fill = [&](absl::Span<Leaf> leaves, SumPart sum_part) {
    ForEachPart(input.executor, leaves.size(), [&](size_t, uint64_t first, uint64_t last) {
      std::fill(leaves.begin() + first, leaves.begin() + last, kAlike);
      sum_part(first, last);
    });
  };
  return {std::make_unique<StratumIndex>(population, fill), false, 0};
}

}  // namespace

std::optional<SystematicLeaves> QuickLeaves(const PlanInput& input, const Population& population) {
  const SamplerSpec& spec = input.spec;
  if (spec.guard.refresh > 0) return std::nullopt;
  if (spec.preference.kind == Preference::Kind::kUniform) return AlikeLeaves(input, population);
  if (spec.preference.kind != Preference::Kind::kScorePower || !spec.preference.column.empty() ||
      spec.guard.uniform_floor > 0) {
    return std::nullopt;
  }
  DrawIndex drawn = BuildDrawIndex(input, population, {});
  for (const StratumIndex::Sums& sums : drawn.index->sums()) {
    if (sums.total == 0) return std::nullopt;
  }
  const bool alike = !drawn.any_positive && spec.guard.unscored != Unscored::kPrior;
  return SystematicLeaves{std::move(drawn.index), alike, drawn.clamped};
}

SystematicLeaves LeavesOfValues(const PlanInput& input, const Population& population,
                                uint64_t slots) {
  InnerDraw inner = InnerProbabilities(input, population);
  const absl::Span<double> values = absl::MakeSpan(inner.probabilities);
  const std::vector<double> targets =
      PreferredTargets(input, population, values, static_cast<double>(slots));
  std::vector<uint64_t> clamped(population.num_strata());
  const auto fill = [&](absl::Span<Leaf> leaves, SumPart sum_part) {
    ForEachStratum(input.executor, population, [&](size_t g, const Executor* executor) {
      const uint64_t begin = population.first(g);
      const auto own = values.subspan(begin, population.count(g));
      const LeafScale scale = CapCertain(static_cast<uint64_t>(Snapped(targets[g])), executor, own);
      clamped[g] = MergeParts(
          executor, own.size(),
          [&](uint64_t first, uint64_t last) {
            return scale.Encode(own.subspan(first, last - first),
                                leaves.subspan(begin + first, last - first));
          },
          [](uint64_t part, uint64_t* all) { *all += part; });
    });
    ForEachPart(input.executor, leaves.size(),
                [&](size_t, uint64_t first, uint64_t last) { sum_part(first, last); });
  };
  SystematicLeaves result;
  result.index = std::make_unique<StratumIndex>(population, fill);
  result.fell_back_to_uniform = inner.fell_back_to_uniform;
  result.clamped = std::accumulate(clamped.begin(), clamped.end(), uint64_t{0});
  return result;
}

}  // namespace subset::sampling
