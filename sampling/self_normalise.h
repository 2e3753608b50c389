// Weights divided by their mean over the global batch.

#ifndef SUBSET_SAMPLING_SELF_NORMALISE_H_
#define SUBSET_SAMPLING_SELF_NORMALISE_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace subset::sampling {

// Draws as EpochPlan::Draw through `draw`, which has its signature, and divides each weight by the
// mean over its global batch: positions k * batch_size .. of the epoch, the last batch shorter.
// Batches of which a part is asked are drawn whole.
template <typename DrawFunction>
void DrawSelfNormalised(uint64_t position, uint64_t batch_size, uint64_t num_positions,
                        absl::Span<uint32_t> indices, absl::Span<double> probabilities,
                        absl::Span<float> weights, DrawFunction draw) {
  draw(position, indices, probabilities, weights);
  if (weights.empty()) return;
  const uint64_t end = position + weights.size();
  std::vector<uint32_t> batch_indices(batch_size);
  std::vector<float> batch_weights(batch_size);
  for (uint64_t first = position - position % batch_size; first < end; first += batch_size) {
    const uint64_t size = std::min(batch_size, num_positions - first);
    absl::Span<const float> batch;
    if (first >= position && first + size <= end) {
      batch = weights.subspan(first - position, size);
    } else {
      draw(first, absl::MakeSpan(batch_indices.data(), size), absl::Span<double>(),
           absl::MakeSpan(batch_weights.data(), size));
      batch = absl::MakeSpan(batch_weights.data(), size);
    }
    double sum = 0;
    for (const float weight : batch) sum += weight;
    const double scale = sum > 0 ? static_cast<double>(size) / sum : 1;
    const uint64_t last = std::min(end, first + size);
    for (uint64_t p = std::max(first, position); p < last; ++p) {
      float& weight = weights[p - position];
      weight = static_cast<float>(weight * scale);
    }
  }
}

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELF_NORMALISE_H_
