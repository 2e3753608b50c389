// From the exact importance weight to the one a sample carries.

#ifndef SUBSET_SAMPLING_WEIGHT_RULE_H_
#define SUBSET_SAMPLING_WEIGHT_RULE_H_

#include <algorithm>

#include "sampling/leaf.h"
#include "sampling/spec.h"

namespace subset::sampling {

// w = M r_i / mu_i, then ^beta, then at most `clip`, then divided by the largest weight (MAXIMUM).
// Division by the mean of a batch (SELF) is self_normalise.h's. A value; immutable; thread-safe.
class WeightRule {
 public:
  // `largest` exact weight that the epoch, or the step, can give; read for MAXIMUM only.
  WeightRule(const Weight& weight, double largest)
      : beta_(weight.target == Weight::Target::kNone ? 0 : weight.beta), clip_(weight.clip) {
    if (weight.normalise == Weight::Normalise::kMaximum && largest > 0) {
      scale_ = 1 / (*this)(largest);
    }
  }

  double operator()(double exact) const {
    double w = exact;
    if (beta_ != 1) w = beta_ == 0 ? 1 : PortablePow(exact, beta_);
    if (clip_ > 0) w = std::min(w, clip_);
    return w * scale_;
  }

  // Whether weights are the exact ones.
  bool exact() const { return beta_ == 1 && clip_ == 0 && scale_ == 1; }

 private:
  double beta_;
  double clip_;
  double scale_ = 1;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_WEIGHT_RULE_H_
