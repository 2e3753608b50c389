// Draws with replacement by a preference within strata, with guards: the one structure under frozen
// weighted plans and live draws.
//
//   q_i = p_g ((1 - lambda - rho) v_i / V_g + lambda / n_g + rho o_i)     w_i = r_i / q_i
//
// v_i are the integer weights of the index: the probability returned is exact for them.

#ifndef SUBSET_SAMPLING_SCORE_DRAW_H_
#define SUBSET_SAMPLING_SCORE_DRAW_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "sampling/plan.h"

namespace subset::sampling {

// Not thread-safe: const methods may run together, Update alone.
class ScoreDraw {
 public:
  // input.spec draws with replacement. Fails as BuildPlan. The leaf scale and the value of unscored
  // samples are fixed here. O(N).
  static absl::StatusOr<std::unique_ptr<ScoreDraw>> Build(const PlanInput& input);
  static absl::StatusOr<std::unique_ptr<ScoreDraw>> Parse(const PlanInput& input,
                                                          absl::string_view serialized);
  virtual ~ScoreDraw() = default;

  // num_positions = epoch length. Changes with Update only in what depends on the scores.
  virtual PlanTraits traits() const = 0;

  // As EpochPlan::Draw, with the weights as they are now. `key` names the epoch.
  virtual void Draw(const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                    absl::Span<double> probabilities, absl::Span<float> weights) const = 0;

  // Takes new scores (finite, >= 0) for samples, in order.
  virtual void Update(absl::Span<const uint32_t> indices, absl::Span<const float> scores) = 0;

  // Writes q_i of each sample of the dataset; 0 where it cannot be drawn. O(N).
  virtual void Probabilities(absl::Span<double> q) const = 0;

  // The leaves, the scale and the shares: everything Draw reads.
  virtual std::string Serialize() const = 0;

  virtual uint64_t memory_bytes() const = 0;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SCORE_DRAW_H_
