// Plans whose positions are written out: independent draws, repeat factors, rounds, bags, blocks,
// and epochs that are handed in.

#ifndef SUBSET_SAMPLING_LIST_PLAN_H_
#define SUBSET_SAMPLING_LIST_PLAN_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sampling/plan.h"
#include "sampling/population.h"

namespace subset::sampling {

// Whether the plans of a resolved spec are list plans.
bool DrawsList(const SamplerSpec& spec);

// Builds the plan of an epoch whose spec DrawsList. 4 bytes a position, and 12 more where
// probabilities or weights differ. An epoch of a draw with a random length may be empty: a plan of
// 0 positions, complete as soon as it opens. Returns kFailedPrecondition with the reason
// NOTHING_TO_DRAW where no length is possible but 0, and EPOCH_NOT_PROVIDED where
// input.provided is null for PROVIDED.
absl::StatusOr<std::unique_ptr<EpochPlan>> BuildListPlan(const PlanInput& input,
                                                         const Population& population);

// Whether Serialize of such a plan holds it whole. Otherwise it is empty, and the plan is built
// again.
bool StoresList(const SamplerSpec& spec);

// Rebuilds a stored plan; reads num_samples and the epoch of `input`. Little-endian: u32 form
// (0x4c503031), u8 probability kind, u8 unbiased over, u8 fell back to uniform, u8 0, u64
// num_samples, u64 epoch, u64 positions, u64 probabilities, u64 weights (each 1 for all, or one a
// position), u64 distinct samples, f64 effective sample ratio, u64 expected counts (num_samples, or
// 0: those of the list), then u32 samples, f64 probabilities, f32 weights, f64 expected counts; u64
// checksum. Returns kDataLoss where the bytes are damaged or do not fit.
absl::StatusOr<std::unique_ptr<EpochPlan>> ParseListPlan(const PlanInput& input,
                                                         absl::string_view serialized);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_LIST_PLAN_H_
