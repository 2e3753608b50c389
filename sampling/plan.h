// An epoch plan: what stands at each position of an epoch, and with what probability and weight.
//
// Four forms, one interface:
//  - Cells (uniform, shares, pruning): each cell is a list of members and a number of slots; one
//    keyed permutation orders all slots, one per cell picks the members of its last, partial pass.
//    O(1) a position.
//  - Weighted (score_power): independent draws from a frozen WeightIndex.
//  - Systematic: so many distinct samples of each stratum, each found in a frozen WeightIndex.
//  - Lists (independent, repeat_factor, rounds, bags, blocks, provided): every position written
//  out.

#ifndef SUBSET_SAMPLING_PLAN_H_
#define SUBSET_SAMPLING_PLAN_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/executor.h"
#include "sampling/columns.h"
#include "sampling/philox.h"
#include "sampling/population.h"
#include "sampling/provided.h"
#include "sampling/spec.h"

namespace subset::sampling {

enum class ProbabilityKind { kPerDraw, kInclusionEpoch, kExpectedCount };
enum class UnbiasedOver { kBatch, kEpoch, kNothing };

struct PlanTraits {
  uint64_t num_positions = 0;
  uint64_t distinct_samples = 0;  // that can appear
  ProbabilityKind probability_kind = ProbabilityKind::kInclusionEpoch;
  UnbiasedOver unbiased_over = UnbiasedOver::kBatch;
  std::optional<double> probability;  // set where it is the same at every position
  std::optional<float> weight;        // likewise
  double effective_sample_ratio = 1;
  bool fell_back_to_uniform = false;  // no score was positive
  uint64_t clamped_leaves = 0;        // weights outside the index's range
};

// What a plan is built from. The views are read during the call only, except `strata`.
struct PlanInput {
  SamplerSpec spec;  // resolved, as SpecAt gives it for this epoch
  StreamKey key;
  uint64_t num_samples = 0;
  uint32_t batch_size = 1;               // global: samples of a step
  uint64_t first_step = 0;               // of the epoch, counted over the run
  std::shared_ptr<const Strata> strata;  // of proportion.column, of every sample: where ReadsStrata
  Columns columns;
  std::optional<Population> population;  // where it is at hand; else the builder makes it
  std::vector<double> learned_shares;    // of adaptive kinds: by stratum of `strata`; empty: equal
  std::shared_ptr<const ProvidedEpoch> provided;  // this epoch, where spec.draw.kind is PROVIDED
  const Executor* executor = nullptr;             // null: the calling thread; the plan is the same
};

// Immutable; thread-safe.
class EpochPlan {
 public:
  virtual ~EpochPlan() = default;

  virtual const PlanTraits& traits() const = 0;

  // Writes the samples at positions position, position+1, ...; position + indices.size() <=
  // num_positions. `probabilities` and `weights` are either empty or of the same length. The result
  // at a position does not depend on how positions are cut into calls.
  virtual void Draw(uint64_t position, absl::Span<uint32_t> indices,
                    absl::Span<double> probabilities, absl::Span<float> weights) const = 0;

  // Writes how often each sample of the dataset is expected at the positions of the epoch, given
  // what was frozen before it was drawn: mu_i, 0 where a sample cannot appear. They sum to
  // num_positions; where the length is random, to its mean. O(N).
  virtual void Expect(absl::Span<double> counts) const = 0;

  // Returns what ParsePlan needs beside the scores to give the same plan; empty where the plan is a
  // function of spec, key, N and strata alone.
  virtual std::string Serialize() const = 0;
};

// Builds the plan of one epoch. Cost: a few passes over the columns involved. Returns
// kFailedPrecondition with the reason NOTHING_TO_DRAW where no slot remains.
absl::StatusOr<std::unique_ptr<EpochPlan>> BuildPlan(const PlanInput& input);

// Rebuilds a plan from what Serialize returned; input.columns.scores is not read. Returns kDataLoss
// where the bytes do not fit the input.
absl::StatusOr<std::unique_ptr<EpochPlan>> ParsePlan(const PlanInput& input,
                                                     absl::string_view serialized);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_PLAN_H_
