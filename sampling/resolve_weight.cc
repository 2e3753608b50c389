#include "sampling/resolve.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {

namespace {

// Who asks for shares wants the mean of that mix.
Weight::Target DefaultTarget(const Proportion& proportion) {
  if (proportion.as_in_the_data()) return Weight::Target::kNatural;
  const bool equal = proportion.kind == Proportion::Kind::kEqual && proportion.within == nullptr;
  return equal ? Weight::Target::kBalanced : Weight::Target::kShares;
}

}  // namespace

absl::Status ResolveWeight(SamplerSpec* spec) {
  Weight& weight = spec->weight;
  if (weight.target == Weight::Target::kDefault) weight.target = DefaultTarget(spec->proportion);
  if (weight.target == Weight::Target::kShares && spec->proportion.as_in_the_data()) {
    weight.target = Weight::Target::kNatural;
  }
  SUBSET_RETURN_IF_ERROR(
      CheckRange("weight.beta", weight.beta, weight.beta >= 0 && weight.beta <= 1, "[0, 1]"));
  if (weight.target == Weight::Target::kNone) {
    constexpr char kNoWeight[] = "but weight.target NONE leaves no weight to ";
    if (weight.beta != 1) {
      return InvalidField("weight.beta",
                          absl::StrCat(weight.beta, " is not 1, ", kNoWeight, "temper"));
    }
    if (weight.clip != 0) {
      return InvalidField("weight.clip",
                          absl::StrCat(weight.clip, " is not 0, ", kNoWeight, "clip"));
    }
    if (weight.normalise != Weight::Normalise::kNothing) {
      return InvalidField("weight.normalise", absl::StrCat("is set, ", kNoWeight, "normalise"));
    }
  }
  if (weight.target != Weight::Target::kBalanced) return absl::OkStatus();
  if (spec->proportion.column.empty()) {
    return InvalidField("weight.target", "BALANCED needs proportion.column, which is empty");
  }
  if (spec->preference.kind == Preference::Kind::kBelowMeanPruning &&
      !spec->preference.per_stratum) {
    return InvalidField("weight.target",
                        "BALANCED needs preference.below_mean_pruning.per_stratum, so that what "
                        "is kept is known for each stratum");
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
