#include "engine/memory_limit.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "sampling/repeat_factor.h"

namespace subset {

uint64_t PlanBytes(const sampling::SamplerSpec& spec, uint64_t num_samples,
                   std::optional<uint64_t> num_positions) {
  using Kind = sampling::Draw::Kind;
  constexpr uint64_t kSmallPermutation = 65536;
  constexpr uint64_t kListed = sizeof(uint32_t);                      // a position of a list
  constexpr uint64_t kListedWeight = sizeof(double) + sizeof(float);  // where they differ
  const uint64_t positions = num_positions.value_or(
      spec.repeats() ? sampling::MostRepeated(num_samples)
                     : static_cast<uint64_t>(static_cast<double>(num_samples) *
                                             (spec.draw.fraction > 0 ? spec.draw.fraction : 1)));
  const bool uniform = spec.preference.kind == sampling::Preference::Kind::kUniform;
  const uint64_t population =
      spec.eligible.all.empty() && spec.proportion.within == nullptr ? 0 : num_samples * 4;
  switch (spec.draw.kind) {
    case Kind::kWithReplacement:
      if (uniform) break;
      return population + num_samples * 23 / 10;  // the weight index
    case Kind::kEpoch:
    case Kind::kDefault:
      if (uniform) break;
      if (spec.repeats()) {  // and how often each sample is expected
        return population + positions * (kListed + kListedWeight) + num_samples * sizeof(double);
      }
      return population + num_samples * 4;  // the chosen set
    case Kind::kSystematic:                 // the weight index, and the list of what is certain
      return population + num_samples * 23 / 10 + positions * (sizeof(uint32_t) + sizeof(uint16_t));
    case Kind::kIndependent:
    case Kind::kProvided:
      return population + positions * (kListed + kListedWeight);
    case Kind::kBootstrap:
      return population + num_samples * (kListed + (spec.draw.bootstrap ==
                                                            sampling::Draw::BootstrapForm::kBayesian
                                                        ? kListedWeight
                                                        : 0));
    case Kind::kRounds:
    case Kind::kBlocks:
      return population + positions * kListed;
  }
  return population + (num_samples <= kSmallPermutation ? num_samples * 2 : 0);
}

absl::Status MemoryLimit::Check(absl::string_view what, uint64_t more_bytes) const {
  if (max_bytes_ == 0) return absl::OkStatus();
  uint64_t used = 0;
  for (const auto& dataset : catalog_->Datasets()) used += dataset->memory_bytes();
  for (const auto& run : catalog_->Runs()) {
    used += run->score_memory_bytes();
    for (const auto& epoch : run->Epochs()) {
      used += PlanBytes(epoch->sampler->spec, run->num_samples(), epoch->num_positions());
    }
  }
  if (used <= max_bytes_ && more_bytes <= max_bytes_ - used) return absl::OkStatus();
  return WithReason(
      absl::ResourceExhaustedError(absl::StrCat(what, " needs ", more_bytes, " bytes of memory; ",
                                                used, " of ", max_bytes_, " are in use")),
      "MEMORY_LIMIT");
}

}  // namespace subset
