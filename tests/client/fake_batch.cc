#include "tests/client/fake_batch.h"

#include <vector>

namespace subset {

v1::Batch FakeBatch(uint64_t epoch, uint64_t position, uint32_t count) {
  std::vector<uint32_t> indices;
  std::vector<float> weights;
  for (uint64_t i = position; i < position + count; ++i) {
    indices.push_back(static_cast<uint32_t>((7 * i + epoch) % 100));
    weights.push_back(indices.back() % 2 == 0 ? 0.5f : 2.0f);
  }
  v1::Batch batch;
  batch.set_epoch(epoch);
  batch.set_position(position);
  batch.set_attempt(1);
  batch.set_index_width(4);
  batch.set_indices(indices.data(), indices.size() * sizeof(uint32_t));
  batch.set_probability(0.01);
  batch.set_weights(weights.data(), weights.size() * sizeof(float));
  batch.set_probability_kind(v1::PROBABILITY_KIND_PER_DRAW);
  batch.set_unbiased_over(v1::UNBIASED_OVER_BATCH);
  batch.set_sampler_version(1);
  batch.set_global_samples(count);
  return batch;
}

}  // namespace subset
