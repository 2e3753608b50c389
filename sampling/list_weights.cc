#include "sampling/list_weights.h"

#include <algorithm>
#include <cstdint>

#include "sampling/huge_array.h"
#include "sampling/outlook.h"
#include "sampling/parts.h"
#include "sampling/range_lookup.h"
#include "sampling/targets.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {
namespace {

constexpr size_t kAhead = 32;  // positions are in a random order: each look-up misses the cache

class Weigher {
 public:
  Weigher(const PlanInput& input, const Population& population, const DrawnSlots& drawn)
      : input_(input),
        population_(population),
        drawn_(drawn),
        inverse_targets_(InverseTargets(input, population)) {
    if (population.num_strata() > 1) strata_ = RangeLookup(population.strata->offsets);
  }

  Outlook Look() const;
  ListWeights Weigh(const Outlook& outlook) const;

 private:
  size_t StratumOf(uint64_t slot) const {
    return population_.num_strata() > 1 ? strata_.Find(slot) : 0;
  }
  double Exact(size_t g, double mu) const { return drawn_.mass / inverse_targets_[g] / mu; }
  double ExpectedAt(size_t p) const;
  double ExactAt(size_t p, double mu) const;
  Outlook LookAtSlots() const;
  Outlook LookAtPositions() const;
  void Add(size_t g, double mu, double count, Outlook* outlook) const {
    outlook->Add(mu, mu > 0 ? Exact(g, mu) : 0, count);
  }

  const PlanInput& input_;
  const Population& population_;
  const DrawnSlots& drawn_;
  const std::vector<double> inverse_targets_;
  RangeLookup strata_;
};

Outlook Weigher::Look() const {
  Outlook outlook;
  if (!drawn_.expected_by_position.empty()) return LookAtPositions();
  if (!drawn_.expected_by_slot.empty()) {
    outlook = LookAtSlots();
  } else {
    for (size_t g = 0; g < population_.num_strata(); ++g) {
      Add(g, drawn_.expected_by_stratum[g], static_cast<double>(population_.count(g)), &outlook);
    }
  }
  if (drawn_.factors.empty()) return outlook;
  // Factors make the weights: which there are is seen at the positions only.
  Outlook factored;
  factored.reached = outlook.reached;
  factored.sum = outlook.sum;
  factored.squares = outlook.squares;
  for (size_t p = 0; p < drawn_.slots.size(); ++p) factored.AddWeight(ExactAt(p, ExpectedAt(p)));
  return factored;
}

Outlook Weigher::LookAtSlots() const {
  const std::vector<double>& expected = drawn_.expected_by_slot;
  std::vector<Outlook> parts(NumParts(expected.size()));
  ForEachPart(input_.executor, expected.size(), [&](size_t part, uint64_t first, uint64_t last) {
    Outlook outlook;
    for (size_t g = StratumOf(first); first < last; ++g) {
      const uint64_t end = std::min(last, population_.first(g) + population_.count(g));
      for (; first < end; ++first) Add(g, expected[first], 1, &outlook);
    }
    parts[part] = outlook;
  });
  Outlook all;
  for (const Outlook& part : parts) all.Merge(part);
  return all;
}

// Of an epoch that was handed in: how often each sample is listed, and the weights of the list.
Outlook Weigher::LookAtPositions() const {
  Outlook outlook;
  std::vector<uint32_t> counts(population_.size());
  for (size_t p = 0; p < drawn_.slots.size(); ++p) {
    ++counts[drawn_.slots[p]];
    outlook.AddWeight(ExactAt(p, ExpectedAt(p)));
  }
  for (const double count : counts) {
    outlook.sum += count;
    outlook.squares += count * count;
  }
  return outlook;
}

double Weigher::ExpectedAt(size_t p) const {
  const uint32_t slot = drawn_.slots[p];
  if (!drawn_.expected_by_position.empty()) return drawn_.expected_by_position[p];
  if (!drawn_.expected_by_slot.empty()) return drawn_.expected_by_slot[slot];
  return drawn_.expected_by_stratum[StratumOf(slot)];
}

double Weigher::ExactAt(size_t p, double mu) const {
  const double factor = drawn_.factors.empty() ? 1 : drawn_.factors[p];
  return Exact(StratumOf(drawn_.slots[p]), mu) * factor;
}

ListWeights Weigher::Weigh(const Outlook& outlook) const {
  const Weight& weight = input_.spec.weight;
  const bool known = drawn_.mass > 0 || drawn_.slots.empty();
  const WeightRule rule(weight, outlook.largest_weight);
  // Where all are alike, the first stands for them.
  const bool alike = drawn_.expected_by_stratum.size() == 1 && drawn_.factors.empty();
  const size_t size = std::min(drawn_.slots.size(), alike ? 1 : drawn_.slots.size());
  ListWeights result;
  result.probabilities = HugeVector<double>(size);
  ReserveHuge(size, &result.weights);
  result.weights.resize(size, 1);
  const bool by_slot = drawn_.expected_by_position.empty() && !drawn_.expected_by_slot.empty();
  ForEachPart(input_.executor, size, [&](size_t, uint64_t first, uint64_t last) {
    for (uint64_t p = first; p < last; ++p) {
      if (by_slot && p + kAhead < last) {
        __builtin_prefetch(&drawn_.expected_by_slot[drawn_.slots[p + kAhead]]);
      }
      const double mu = ExpectedAt(p);
      result.probabilities[p] = mu;
      if (known) result.weights[p] = static_cast<float>(rule(ExactAt(p, mu)));
    }
  });

  if (known) result.unbiased_over = outlook.Unbiased(weight, rule, drawn_.unbiased_over);
  result.effective_sample_ratio = outlook.EffectiveSampleRatio(population_.size());
  return result;
}

}  // namespace

ListWeights WeighSlots(const PlanInput& input, const Population& population,
                       const DrawnSlots& drawn) {
  const Weigher weigher(input, population, drawn);
  return weigher.Weigh(weigher.Look());
}

}  // namespace subset::sampling
