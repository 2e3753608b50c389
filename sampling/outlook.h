// What the positions of an epoch can carry, before any is drawn: which weights, and whether they
// make its batches unbiased.

#ifndef SUBSET_SAMPLING_OUTLOOK_H_
#define SUBSET_SAMPLING_OUTLOOK_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "sampling/plan.h"
#include "sampling/spec.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {

// A value. Sums of doubles: add in an order that does not depend on who adds.
struct Outlook {
  bool reached = true;  // every sample can appear
  // How often a sample that can appear is expected, at least and at most. Equal: all are alike.
  double least_mu = std::numeric_limits<double>::infinity();
  double largest_mu = 0;
  double smallest_weight = std::numeric_limits<double>::infinity();  // the exact ones
  double largest_weight = 0;
  double sum = 0;      // of mu
  double squares = 0;  // of mu

  // Takes samples that are expected mu times each and then weigh so much.
  void Add(double mu, double exact, double count) {
    sum += count * mu;
    squares += count * mu * mu;
    reached &= mu > 0;
    if (mu == 0) return;
    least_mu = std::min(least_mu, mu);
    largest_mu = std::max(largest_mu, mu);
    AddWeight(exact);
  }
  // Takes weights only.
  void AddWeight(double exact) {
    smallest_weight = std::min(smallest_weight, exact);
    largest_weight = std::max(largest_weight, exact);
  }
  void Merge(const Outlook& other);

  // `over` where weights by the rule are the exact ones and reach every sample, else kNothing. What
  // is divided by the mean of a batch is unbiased in the limit only.
  UnbiasedOver Unbiased(const Weight& weight, const WeightRule& rule, UnbiasedOver over) const;

  // (sum of mu)^2 / (n sum of mu^2), of n samples.
  double EffectiveSampleRatio(uint64_t n) const;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_OUTLOOK_H_
