#include "sampling/outlook.h"

#include <algorithm>

namespace subset::sampling {

void Outlook::Merge(const Outlook& other) {
  reached &= other.reached;
  least_mu = std::min(least_mu, other.least_mu);
  largest_mu = std::max(largest_mu, other.largest_mu);
  smallest_weight = std::min(smallest_weight, other.smallest_weight);
  largest_weight = std::max(largest_weight, other.largest_weight);
  sum += other.sum;
  squares += other.squares;
}

UnbiasedOver Outlook::Unbiased(const Weight& weight, const WeightRule& rule,
                               UnbiasedOver over) const {
  // The rule never falls and bends one way, so what it leaves alone at both ends it leaves alone.
  const auto unchanged = [&](double w) {
    return static_cast<float>(rule(w)) == static_cast<float>(w);
  };
  const bool exact = weight.target == Weight::Target::kNone
                         ? least_mu == largest_mu
                         : unchanged(smallest_weight) && unchanged(largest_weight);
  const bool divided = weight.normalise == Weight::Normalise::kSelf &&
                       static_cast<float>(smallest_weight) != static_cast<float>(largest_weight);
  return reached && exact && !divided ? over : UnbiasedOver::kNothing;
}

double Outlook::EffectiveSampleRatio(uint64_t n) const {
  return sum * sum / (static_cast<double>(n) * squares);
}

}  // namespace subset::sampling
