#include "sampling/resolve.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {

// Fields of the kinds that were not chosen go back to their defaults.
absl::Status ResolvePreference(SamplerSpec* spec) {
  const Preference given = spec->preference;
  if (given.kind > Preference::Kind::kBelowMeanPruning || !given.column.empty() ||
      !given.irreducible.empty()) {
    return InvalidField("preference", "is not known to this version");
  }
  Preference& resolved = spec->preference;
  resolved = Preference{};
  resolved.kind = given.kind;
  if (given.kind == Preference::Kind::kUniform) return absl::OkStatus();

  const bool power = given.kind == Preference::Kind::kScorePower;
  const absl::string_view path = power ? "preference.score_power" : "preference.below_mean_pruning";
  if (!given.score.empty()) resolved.score = given.score;
  SUBSET_RETURN_IF_ERROR(ValidateName(absl::StrCat(path, ".score"), resolved.score));
  if (power) {
    resolved.alpha = given.alpha;
    return CheckRange("preference.score_power.alpha", given.alpha,
                      given.alpha > 0 && given.alpha <= 16, "(0, 16]");
  }
  resolved.ratio = given.ratio;
  resolved.delta = given.delta;
  resolved.total_epochs = given.total_epochs;
  resolved.scale = given.scale;
  resolved.per_stratum = given.per_stratum;
  SUBSET_RETURN_IF_ERROR(CheckRange("preference.below_mean_pruning.ratio", given.ratio,
                                    given.ratio > 0 && given.ratio < 1, "(0, 1)"));
  SUBSET_RETURN_IF_ERROR(CheckRange("preference.below_mean_pruning.delta", given.delta,
                                    given.delta > 0 && given.delta <= 1, "(0, 1]"));
  SUBSET_RETURN_IF_ERROR(
      CheckRange("preference.below_mean_pruning.total_epochs", given.total_epochs,
                 given.total_epochs >= 1 && given.total_epochs < (1u << 31), "[1, 2147483648)"));
  if (given.per_stratum && spec->proportion.column.empty()) {
    return InvalidField("preference.below_mean_pruning.per_stratum",
                        "true needs proportion.column, which is empty");
  }
  if (spec->proportion.kind == Proportion::Kind::kEqual) {
    return InvalidField("proportion.kind",
                        "EQUAL does not go with below_mean_pruning: it draws each kept sample "
                        "exactly once, so shares follow from what is kept");
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
