// The weight index of a draw with replacement, from the scores or the preference.

#ifndef SUBSET_SAMPLING_DRAW_INDEX_H_
#define SUBSET_SAMPLING_DRAW_INDEX_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "sampling/leaf_scale.h"
#include "sampling/plan.h"
#include "sampling/population.h"
#include "sampling/shares.h"
#include "sampling/stratum_index.h"

namespace subset::sampling {

struct DrawIndex {
  std::optional<LeafScale> scale;       // of scores, where leaves are powers of them
  std::unique_ptr<StratumIndex> index;  // null: every member alike
  bool any_positive = false;            // score; whether anything is preferred
  uint64_t clamped = 0;                 // leaves outside the range of the scale
};

// Whether a draw of this spec has an index at all.
bool HasIndex(const SamplerSpec& spec);

// The exponent of scores that leaves are made with.
double LeafExponent(const SamplerSpec& spec);

// Leaves are score^alpha on one scale for score_power over a reported score, which alone may change
// later; the values of the preference on a scale of each stratum's own for the other kinds; and
// with guard.max_repeats the capped q_i themselves, which hold shares and guards already. A few
// passes over the columns involved; ranks are sorted.
DrawIndex BuildDrawIndex(const PlanInput& input, const Population& population,
                         const Shares& shares);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_DRAW_INDEX_H_
