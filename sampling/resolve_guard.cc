#include "sampling/resolve.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {

absl::Status ResolveGuard(SamplerSpec* spec) {
  Guard& guard = spec->guard;
  using Unscored = Guard::Unscored;
  const double floor = guard.uniform_floor;
  SUBSET_RETURN_IF_ERROR(
      CheckRange("guard.uniform_floor", floor, floor >= 0 && floor <= 1, "[0, 1]"));
  if (floor > 0 && spec->draw.kind != Draw::Kind::kWithReplacement) {
    return InvalidField("guard.uniform_floor", absl::StrCat(floor,
                                                            " is not 0: a floor needs draw.kind "
                                                            "WITH_REPLACEMENT"));
  }
  switch (spec->preference.kind) {
    case Preference::Kind::kUniform:
      if (guard.unscored != Unscored::kDefault) {
        return InvalidField("guard.unscored", "is set, but a uniform preference reads no score");
      }
      break;
    case Preference::Kind::kScorePower:
      if (guard.unscored == Unscored::kDefault) guard.unscored = Unscored::kMean;
      if (guard.unscored == Unscored::kKeep) {
        return InvalidField("guard.unscored",
                            "KEEP is for below_mean_pruning; score_power takes MEAN, MAXIMUM or "
                            "PRIOR");
      }
      break;
    case Preference::Kind::kBelowMeanPruning:
      if (guard.unscored == Unscored::kDefault) guard.unscored = Unscored::kKeep;
      if (guard.unscored != Unscored::kKeep) {
        return InvalidField("guard.unscored",
                            "below_mean_pruning takes KEEP: an unscored sample is never pruned");
      }
      break;
    default:
      break;
  }
  const double prior = guard.unscored_prior;
  SUBSET_RETURN_IF_ERROR(CheckRange("guard.unscored_prior", prior,
                                    prior >= 0 && std::isfinite(prior), "[0, infinity)"));
  if (prior > 0 && guard.unscored != Unscored::kPrior) {
    return InvalidField("guard.unscored_prior",
                        absl::StrCat(prior, " is not 0, but guard.unscored is not PRIOR"));
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
