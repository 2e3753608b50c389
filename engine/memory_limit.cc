#include "engine/memory_limit.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"

namespace subset {

uint64_t PlanBytes(const sampling::SamplerSpec& spec, uint64_t num_samples) {
  constexpr uint64_t kSmallPermutation = 65536;
  switch (spec.preference.kind) {
    case sampling::Preference::Kind::kScorePower:
      return num_samples * 23 / 10;  // the weight index
    case sampling::Preference::Kind::kBelowMeanPruning:
      return num_samples * 4;  // the chosen set
    default:
      break;
  }
  return num_samples <= kSmallPermutation ? num_samples * 2 : 0;
}

absl::Status MemoryLimit::Check(absl::string_view what, uint64_t more_bytes) const {
  if (max_bytes_ == 0) return absl::OkStatus();
  uint64_t used = 0;
  for (const auto& dataset : catalog_->Datasets()) used += dataset->memory_bytes();
  for (const auto& run : catalog_->Runs()) {
    used += run->score_memory_bytes();
    for (const auto& epoch : run->Epochs()) {
      used += PlanBytes(epoch->sampler->spec, run->num_samples());
    }
  }
  if (used <= max_bytes_ && more_bytes <= max_bytes_ - used) return absl::OkStatus();
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat(what, " needs ", more_bytes, " bytes of memory; ",
                                                used, " of ", max_bytes_, " are in use")),
      "MEMORY_LIMIT");
}

}  // namespace subset
