// How to choose from a pool of B scored candidates, as plain data.

#ifndef SUBSET_SAMPLING_SELECT_RULE_H_
#define SUBSET_SAMPLING_SELECT_RULE_H_

#include <cstdint>

#include "absl/status/status.h"

namespace subset::sampling {

inline constexpr uint32_t kMaxPool = 1 << 20;

struct SelectRule {
  enum class Kind {
    // The `count` largest scores, ties by a keyed hash. Online hard-example mining; RHO-LOSS
    // (Mindermann et al. 2022) where scores are loss - irreducible loss. Factors 1, biased.
    kTop,
    // The `count` - `uniform` largest and `uniform` of the others, chosen uniformly. With b1 + b2 =
    // b of B: factors b / B and (b / B) (B - b1) / b2, unbiased.
    kTopAndUniform,
    // `count` independent draws in proportion to the score^alpha (Katharopoulos & Fleuret 2018),
    // over a floor: q = (1 - floor) v / V + floor / B; factors 1 / (B q). Unbiased where every q is
    // positive. All scores 0: uniform.
    kProportional,
    // A coin for each candidate, with max(least, percentile^beta); percentile = (how many of the
    // history are smaller + half of those equal) / how many they are (Selective-Backprop, Jiang et
    // al. 2019). Without a history, the pool is its own. m selected: factors m / (B pi), unbiased
    // where every pi is positive; none selected counts as a batch of mean 0.
    kKeepProbability,
    // max(1, floor(keep B)) candidates, by successive draws without replacement in proportion to
    // ((rank + .5) / B)^(1/keep - 1), smallest first (Composer's Selective-Backprop). The inclusion
    // probabilities have no closed form, so there are none; factors 1, biased.
    kKeepFraction,
  };
  Kind kind = Kind::kTop;
  // kTop, kTopAndUniform, kProportional: how many, in [1, kMaxPool] and at most the pool; or 0, and
  // `keep` says which share.
  uint32_t count = 0;
  uint32_t uniform = 0;      // kTopAndUniform with count: [1, count - 1]
  double keep = 0;           // (0, 1]: max(1, floor(keep B)) of B
  double uniform_share = 0;  // kTopAndUniform with keep: (0, 1) of those chosen
  double alpha = 1;          // kProportional: (0, 16]
  double floor = 0;          // kProportional: [0, 1]
  double beta = 1;           // kKeepProbability: (0, 16]
  double least = 0;          // kKeepProbability: [0, 1]

  // Whether a number or a share of the pool is chosen.
  bool counts() const { return kind <= Kind::kProportional; }
};

// Puts fields of kinds that were not chosen back to their defaults and checks the others. Returns
// kInvalidArgument naming the field ("select.count"), the value and the bound.
absl::Status ResolveSelectRule(SelectRule* rule);

// Returns the rule for a pool of this size, with `count` and `uniform` in place of the shares. Of
// kTopAndUniform at least one of each part, where the pool has two candidates; of one it is the
// one. REQUIRES: ResolveSelectRule passed; pool > 0.
SelectRule RuleForPool(SelectRule rule, uint64_t pool);

// Returns the rule that keeps as many of such a pool, but uniformly, none twice: kTopAndUniform
// without a top. REQUIRES: as RuleForPool; rule.counts().
SelectRule UniformRule(const SelectRule& rule, uint64_t pool);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELECT_RULE_H_
