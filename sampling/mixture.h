// The numbers of a draw with replacement: a stratum by its share, then by a coin the preference or
// one of the guards (the floor, the refresh quota), then a member. Slots of all kinds add up to
//
//   q_i = slope_g v_i + intercept_g + (i is stale) refresh_g.

#ifndef SUBSET_SAMPLING_MIXTURE_H_
#define SUBSET_SAMPLING_MIXTURE_H_

#include <cstdint>
#include <vector>

#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/range_lookup.h"
#include "sampling/shares.h"
#include "sampling/stratum_index.h"

namespace subset::sampling {

struct MixedStratum {
  uint64_t first = 0;  // slots [first, first + count)
  uint64_t count = 0;
  double target = 0;  // r_i

  double share = 1;                // p_g
  double floor = 0;                // lambda, given the stratum
  double refreshed = 0;            // rho, given the stratum
  uint64_t other_threshold = 0;    // coins of 2^64 below it do not go by the preference,
  uint64_t refresh_threshold = 0;  // those below this one to the stale

  uint64_t base = 0;             // targets [base, base + preferred_total) of the index
  uint64_t preferred_total = 0;  // V_g; 0 where nothing is preferred: all members are then alike
  double slope = 0;
  double intercept = 0;
  double refresh = 0;
};

struct Mixture {
  std::vector<MixedStratum> strata;
  RangeLookup shares;  // of a stratum; unset where there is one
};

// Immutable; thread-safe.
class MixtureMaker {
 public:
  // `stale` counts the stale slots of each stratum; empty without a refresh quota.
  MixtureMaker(const PlanInput& input, const Population& population, const Shares& shares,
               std::vector<uint64_t> stale);

  // Returns the mixture for a floor of lambda in [0, 1]. With floor_by_target the floor draws from
  // the target, q_i = p_g (...) + lambda r_i, so shares move towards it. O(strata).
  Mixture At(double floor, const StratumIndex* index) const;

  // Takes the sums of the index into `mixture`; null: nothing is preferred. O(strata).
  void SetTotals(const StratumIndex* index, Mixture* mixture) const;

  // Makes the target that on what can be drawn (hard and soft sets). `reached` samples of each
  // stratum can be.
  void RestrictTarget(const std::vector<uint64_t>& reached);

 private:
  double refresh_;
  bool by_target_;
  std::vector<MixedStratum> strata_;  // without floor and totals
  std::vector<uint64_t> stale_;
  RangeLookup shares_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_MIXTURE_H_
