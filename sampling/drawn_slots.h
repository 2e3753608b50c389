// What the draws of list plans fill the positions of an epoch with; list_plan.h makes a plan of it.

#ifndef SUBSET_SAMPLING_DRAWN_SLOTS_H_
#define SUBSET_SAMPLING_DRAWN_SLOTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

struct DrawnSlots {
  std::vector<uint32_t> slots;  // of the population, one for each position; none: an empty epoch
  bool shuffle = true;          // positions are in a keyed order, not in this one

  // Expected occurrences mu: of the members of each stratum where they are alike, else of each slot
  // of the population, else (all that is known of an epoch that was handed in) of each entry of
  // `slots`.
  std::vector<double> expected_by_stratum;
  std::vector<double> expected_by_slot;
  std::vector<double> expected_by_position;

  // w = mass * r / mu, times the factor of the position where there are factors. 0: not known, so
  // weights are 1.
  double mass = 0;
  std::vector<double> factors;
  ProbabilityKind probability_kind = ProbabilityKind::kInclusionEpoch;
  UnbiasedOver unbiased_over = UnbiasedOver::kBatch;  // where weights are exact and reach all
  bool fell_back_to_uniform = false;
};

// Returns the share of `slots` of each stratum by spec.proportion, none above its cap: what a
// stratum has no room for goes to the others in proportion. `caps`: one for each stratum, or one
// for all. They sum to `slots`, or to the caps where these are fewer.
std::vector<double> StratumTargets(const PlanInput& input, const Population& population,
                                   const std::vector<double>& caps, double slots);

// The same where the members of a stratum with a positive value can be drawn, once each. `values`:
// by slot. O(N).
std::vector<double> PreferredTargets(const PlanInput& input, const Population& population,
                                     absl::Span<const double> values, double slots);

// The draws, one for each kind. All return kFailedPrecondition with the reason NOTHING_TO_DRAW
// where no slot is possible, and are pure functions of their arguments.

// INDEPENDENT: a coin for each sample. pi = min(1, c a) sums to the stratum's target; with a
// keep_probability preference pi is what that says. The number of slots is random, maybe 0.
absl::StatusOr<DrawnSlots> DrawIndependent(const PlanInput& input, const Population& population);

// EPOCH over repeat_factor: each sample floor(r_i) or ceil(r_i) times, r_i on average, by
// systematic rounding in a keyed order. Returns kFailedPrecondition with the reason
// TOO_MANY_REPEATS where that is above MostRepeated. O(N).
absl::StatusOr<DrawnSlots> DrawRepeats(const PlanInput& input, const Population& population);

// ROUNDS: the slice of round key.epoch (rounds.h).
absl::StatusOr<DrawnSlots> DrawRounds(const PlanInput& input, const Population& population);

// BOOTSTRAP: the bag (bags.h), the same in every epoch. mu is the mean over bags, so weights are
// unbiased over bags and called biased for a run, which sees one.
absl::StatusOr<DrawnSlots> DrawBag(const PlanInput& input, const Population& population);

// BLOCKS: blocks of consecutive times (blocks.h).
absl::StatusOr<DrawnSlots> DrawBlocks(const PlanInput& input, const Population& population);

// PROVIDED: input.provided, in its order. Without expected counts, those of the list are reported.
// Also returns kFailedPrecondition with the reason EPOCH_NOT_PROVIDED, and what CheckProvided says.
absl::StatusOr<DrawnSlots> DrawProvided(const PlanInput& input, const Population& population);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_DRAWN_SLOTS_H_
