#include "sampling/bags.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/types/span.h"
#include "base/status_macros.h"
#include "sampling/drawn_slots.h"
#include "sampling/epoch_slots.h"
#include "sampling/huge_array.h"
#include "sampling/inclusion.h"
#include "sampling/leaf.h"
#include "sampling/parts.h"

namespace subset::sampling {
namespace {

constexpr uint64_t kMemberStream = 0;  // sub-streams of Purpose::kBag: this plus the stratum,
constexpr uint64_t kCountStream = ~uint64_t{0};  // Poisson counts and Bayesian weights,
constexpr uint64_t kQuotaStream = ~uint64_t{1};  // and the rounding of strata

constexpr double kInverseLn2 = 1.4426950408889634;

// A Poisson variable of a greater mean is the sum of such.
constexpr double kLargestPiece = 16;

PhiloxKey BagKey(const PlanInput& input, uint64_t stream) {
  return DeriveKey({input.key.seed, 0, input.spec.draw.bag}, Purpose::kBag, stream);
}

std::vector<double> BagTargets(const PlanInput& input, const Population& population) {
  const double slots =
      static_cast<double>(FloorFraction(input.spec.draw.fraction, population.size()));
  return StratumTargets(input, population, {slots}, slots);  // no stratum is capped
}

// Poisson variables of one mean, by inversion, from 53 bits for each piece of the mean.
class PoissonLaw {
 public:
  explicit PoissonLaw(double mean)
      : pieces_(std::ceil(mean / kLargestPiece)), piece_(mean / pieces_), none_(NoneOf(piece_)) {}

  uint32_t Count(const PhiloxKey& key, uint64_t sample) const {
    uint32_t count = 0;
    for (uint64_t piece = 0; static_cast<double>(piece) < pieces_; ++piece) {
      double u = ToUnitDouble(BlockLow(Philox(key, sample, piece)));
      double p = none_;
      for (uint32_t k = 1; u >= p && p > 0; ++k) {
        u -= p;
        p *= piece_ / k;
        ++count;
      }
    }
    return count;
  }

 private:
  static double NoneOf(double mean) { return PortableExp2(-mean * kInverseLn2); }

  // Constant after construction.
  double pieces_;
  double piece_;  // mean of each
  double none_;   // probability of 0 in a piece
};

// Counts `draws` uniform choices of counts.size() slots.
void CountDraws(const PhiloxKey& key, uint64_t draws, absl::Span<uint32_t> counts) {
  constexpr size_t kGroup = 256;
  PhiloxBlock blocks[kGroup];
  uint64_t chosen[kGroup];
  for (uint64_t first = 0; first < draws; first += kGroup) {
    const size_t size = std::min<uint64_t>(kGroup, draws - first);
    PhiloxFill(key, first, 0, absl::MakeSpan(blocks, size));
    for (size_t k = 0; k < size; ++k) {
      chosen[k] = UniformIntFromBlock(blocks[k], key, first + k, counts.size());
      __builtin_prefetch(&counts[chosen[k]], 1);
    }
    for (size_t k = 0; k < size; ++k) ++counts[chosen[k]];
  }
}

// Exp(1), one for each slot, scaled to mean 1 over the bag.
std::vector<double> BayesianWeights(const PlanInput& input, const Population& population) {
  const PhiloxKey key = BagKey(input, kCountStream);
  std::vector<double> weights = HugeVector<double>(population.size());
  double sum = 0;
  for (uint64_t slot = 0; slot < weights.size(); ++slot) {
    const double u = UniformDouble(key, population.sample(slot));
    weights[slot] = -PortableLog2(1 - u);  // 1 - u is in (0, 1]
    sum += weights[slot];
  }
  const double scale = sum > 0 ? static_cast<double>(weights.size()) / sum : 1;
  for (double& w : weights) w *= scale;
  return weights;
}

// Returns each slot as often as it counts, in order.
std::vector<uint32_t> Repeated(const Executor* executor, const std::vector<uint32_t>& counts) {
  std::vector<uint64_t> begins(NumParts(counts.size()));
  ForEachPart(executor, counts.size(), [&](size_t part, uint64_t first, uint64_t last) {
    begins[part] = std::accumulate(counts.begin() + first, counts.begin() + last, uint64_t{0});
  });
  uint64_t size = 0;
  for (uint64_t& begin : begins) size += std::exchange(begin, size);
  std::vector<uint32_t> slots = HugeVector<uint32_t>(size);
  ForEachPart(executor, counts.size(), [&](size_t part, uint64_t first, uint64_t last) {
    auto next = slots.begin() + static_cast<int64_t>(begins[part]);
    for (uint64_t slot = first; slot < last; ++slot) {
      next = std::fill_n(next, counts[slot], static_cast<uint32_t>(slot));
    }
  });
  return slots;
}

std::vector<uint32_t> Members(const PlanInput& input, const Population& population, bool inside) {
  const std::vector<uint32_t> counts = BagCounts(input, population);
  std::vector<uint32_t> members;
  for (uint64_t slot = 0; slot < counts.size(); ++slot) {
    if ((counts[slot] > 0) == inside) members.push_back(population.sample(slot));
  }
  std::sort(members.begin(), members.end());
  return members;
}

}  // namespace

std::vector<uint32_t> BagCounts(const PlanInput& input, const Population& population) {
  using Form = Draw::BootstrapForm;
  const Form form = input.spec.draw.bootstrap;
  std::vector<uint32_t> counts = HugeVector<uint32_t>(population.size());
  if (form == Form::kBayesian) {
    std::fill(counts.begin(), counts.end(), 1);
    return counts;
  }
  const std::vector<double> targets = BagTargets(input, population);
  if (form == Form::kPoisson) {
    const PhiloxKey key = BagKey(input, kCountStream);
    for (size_t g = 0; g < targets.size(); ++g) {
      if (targets[g] == 0) continue;
      const PoissonLaw law(targets[g] / static_cast<double>(population.count(g)));
      ForEachPart(input.executor, population.count(g), [&](size_t, uint64_t begin, uint64_t end) {
        const uint64_t first = population.first(g);
        for (uint64_t slot = first + begin; slot < first + end; ++slot) {
          counts[slot] = law.Count(key, population.sample(slot));
        }
      });
    }
    return counts;
  }
  const std::vector<uint64_t> draws = RoundTargets(targets, BagKey(input, kQuotaStream));
  for (size_t g = 0; g < draws.size(); ++g) {
    CountDraws(BagKey(input, kMemberStream + g), draws[g],
               absl::MakeSpan(counts).subspan(population.first(g), population.count(g)));
  }
  return counts;
}

std::vector<uint32_t> InBag(const PlanInput& input, const Population& population) {
  return Members(input, population, true);
}

std::vector<uint32_t> OutOfBag(const PlanInput& input, const Population& population) {
  return Members(input, population, false);
}

absl::StatusOr<DrawnSlots> DrawBag(const PlanInput& input, const Population& population) {
  SUBSET_RETURN_IF_ERROR(EpochSlots(input.spec, population.size()).status());
  const bool bayesian = input.spec.draw.bootstrap == Draw::BootstrapForm::kBayesian;
  DrawnSlots drawn;
  const std::vector<uint32_t> counts = BagCounts(input, population);
  drawn.slots = Repeated(input.executor, counts);
  drawn.mass = static_cast<double>(drawn.slots.size());
  // Over bags they are, but a run sees one bag.
  drawn.unbiased_over = UnbiasedOver::kNothing;
  if (bayesian) {
    drawn.expected_by_stratum.assign(population.num_strata(), 1);
    drawn.factors = BayesianWeights(input, population);
    return drawn;
  }
  drawn.probability_kind = ProbabilityKind::kExpectedCount;
  drawn.expected_by_stratum = BagTargets(input, population);
  for (size_t g = 0; g < population.num_strata(); ++g) {
    drawn.expected_by_stratum[g] /= static_cast<double>(population.count(g));
  }
  return drawn;
}

}  // namespace subset::sampling
