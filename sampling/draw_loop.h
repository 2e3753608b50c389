// The loop of draws with replacement: many positions at a time, so that cache misses overlap.

#ifndef SUBSET_SAMPLING_DRAW_LOOP_H_
#define SUBSET_SAMPLING_DRAW_LOOP_H_

#include <cstdint>

#include "absl/types/span.h"
#include "sampling/mixture.h"
#include "sampling/philox.h"
#include "sampling/population.h"
#include "sampling/stale.h"
#include "sampling/stratum_index.h"
#include "sampling/weight_rule.h"

namespace subset::sampling {

// What is drawn from. Pointers outlive the call.
struct DrawSource {
  const Population* population;
  const StratumIndex* index;  // null: every member alike
  const StaleSlots* stale;    // empty without a refresh quota
  const uint16_t* quotas;     // the stratum of each position; null: drawn by share
  bool weighted;              // else every weight is 1
  bool jittered;
  uint64_t batch_size;
  uint64_t num_positions;
};

// As ScoreDraw::Draw, all positions with the same mixture and weights.
void DrawPositions(const DrawSource& source, const Mixture& mixture, const WeightRule& rule,
                   const StreamKey& key, uint64_t position, absl::Span<uint32_t> indices,
                   absl::Span<double> probabilities, absl::Span<float> weights);

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_DRAW_LOOP_H_
