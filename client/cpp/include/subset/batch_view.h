// A batch as arrays, decoded from the bytes in which it travels.

#ifndef SUBSET_BATCH_VIEW_H_
#define SUBSET_BATCH_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "subset/v1/training.pb.h"

namespace subset {

// Not thread-safe. Owns its arrays and reuses them: decoding costs one copy.
class BatchView {
 public:
  // Replaces the contents by `batch`. kInternal when its arrays do not fit together (the view is
  // then empty).
  absl::Status Decode(const v1::Batch& batch);

  uint64_t epoch() const { return epoch_; }
  uint64_t position() const { return position_; }  // of the first sample
  uint64_t step() const { return step_; }          // 0 unless the address named one
  uint32_t attempt() const { return attempt_; }
  // Drawn here while the server was away: its losses are worth reporting, and acknowledge nothing.
  bool fallback() const { return attempt_ == 0; }
  // Padding samples stand at the end, have weight 0 and are not reported.
  size_t padding() const { return padding_; }
  uint32_t global_samples() const { return global_samples_; }
  uint64_t generation() const { return generation_; }
  // Of a batch that Client::Select chose: where each sample stands in its pool, and how many
  // samples that has; else empty and 0. sum(weight * loss) * world_size / global_samples() *
  // pool_samples() / size(), averaged over ranks, is then the weighted mean of the global batch;
  // where nothing was chosen this rank's part is 0.
  absl::Span<const uint32_t> places() const { return places_; }
  uint32_t pool_samples() const { return pool_samples_; }
  // Of a leased batch; null otherwise.
  const v1::Lease* lease() const { return leased_ ? &lease_ : nullptr; }

  v1::ProbabilityKind probability_kind() const { return probability_kind_; }
  v1::UnbiasedOver unbiased_over() const { return unbiased_over_; }

  size_t size() const { return indices_.size(); }
  absl::Span<const uint64_t> indices() const { return indices_; }

  // False when the request omitted them and they are not the same for the whole batch.
  bool has_probabilities() const { return constant_probability_ || !probabilities_.empty(); }
  // REQUIRES: has_probabilities(), i < size().
  double probability(size_t i) const {
    return constant_probability_ ? probability_ : probabilities_[i];
  }
  // REQUIRES: i < size().
  float weight(size_t i) const { return constant_weight_ ? weight_ : weights_[i]; }

  // The arrays; empty where one value stands for the whole batch.
  absl::Span<const double> probabilities() const { return probabilities_; }
  absl::Span<const float> weights() const { return weights_; }

  // One weight per sample, constant or not. Allocates.
  std::vector<float> WeightVector() const;

 private:
  void Clear();

  uint64_t epoch_ = 0;
  uint64_t position_ = 0;
  uint64_t step_ = 0;
  uint32_t attempt_ = 0;
  uint32_t padding_ = 0;
  uint32_t global_samples_ = 0;
  uint64_t generation_ = 0;
  v1::ProbabilityKind probability_kind_ = v1::PROBABILITY_KIND_UNSPECIFIED;
  v1::UnbiasedOver unbiased_over_ = v1::UNBIASED_OVER_UNSPECIFIED;
  uint32_t pool_samples_ = 0;
  std::vector<uint32_t> places_;
  bool leased_ = false;
  v1::Lease lease_;
  std::vector<uint64_t> indices_;
  std::vector<uint32_t> narrow_indices_;  // scratch
  bool constant_probability_ = false;
  double probability_ = 0;
  std::vector<double> probabilities_;
  bool constant_weight_ = false;
  float weight_ = 0;
  std::vector<float> weights_;
};

}  // namespace subset

#endif  // SUBSET_BATCH_VIEW_H_
