#include "sampling/sample_scores.h"

#include <algorithm>
#include <limits>

#include "sampling/leaf_bulk.h"

namespace subset::sampling {

SampleScores::SampleScores(ScoreView reported, const Population& population)
    : reported_(reported), eligible_(population.eligible.get()) {
  const auto& chunks = reported.chunks;
  if (chunks.empty() || std::find(chunks.begin(), chunks.end(), nullptr) != chunks.end()) {
    unscored_.resize(kChunkSamples, std::numeric_limits<float>::quiet_NaN());
  }
  if (eligible_ != nullptr) kept_.reset(new float[kChunkSamples]);  // not zeroed: time
}

absl::Span<const float> SampleScores::Read(uint64_t first, uint64_t limit) {
  const uint64_t at = first % kChunkSamples;
  const uint64_t count = std::min(limit, kChunkSamples - at);
  const float* chunk = reported_.chunks.empty() ? nullptr : reported_.chunks[first / kChunkSamples];
  if (chunk == nullptr) chunk = unscored_.data();
  const absl::Span<const float> scores(chunk + at, count);
  if (eligible_ == nullptr) return scores;
  const absl::Span<float> kept(kept_.get(), count);
  KeepScores(scores, eligible_->words().data() + first / 64, kept);
  return kept;
}

}  // namespace subset::sampling
