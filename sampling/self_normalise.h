// Weights divided by their mean over the global batch.

#ifndef SUBSET_SAMPLING_SELF_NORMALISE_H_
#define SUBSET_SAMPLING_SELF_NORMALISE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "sampling/plan.h"

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

// A plan with the weights of another, divided so. Immutable; thread-safe.
class SelfNormalisedPlan final : public EpochPlan {
 public:
  SelfNormalisedPlan(uint64_t batch_size, std::unique_ptr<EpochPlan> plan)
      : batch_size_(std::max<uint64_t>(1, batch_size)),
        plan_(std::move(plan)),
        traits_(plan_->traits()) {
    // A weight that is the same everywhere becomes 1; others are unbiased only in the limit.
    if (traits_.weight.has_value()) {
      traits_.weight = 1;
    } else {
      traits_.unbiased_over = UnbiasedOver::kNothing;
    }
  }

  const PlanTraits& traits() const override { return traits_; }
  void Draw(uint64_t position, absl::Span<uint32_t> indices, absl::Span<double> probabilities,
            absl::Span<float> weights) const override {
    DrawSelfNormalised(position, batch_size_, traits_.num_positions, indices, probabilities,
                       weights, [&](auto... arguments) { plan_->Draw(arguments...); });
  }
  void Expect(absl::Span<double> counts) const override { plan_->Expect(counts); }
  std::string Serialize() const override { return plan_->Serialize(); }

 private:
  const uint64_t batch_size_;
  const std::unique_ptr<EpochPlan> plan_;
  PlanTraits traits_;
};

}  // namespace subset::sampling

#endif  // SUBSET_SAMPLING_SELF_NORMALISE_H_
