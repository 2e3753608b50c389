#include "sampling/resolve.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {
namespace {

using Kind = Preference::Kind;
using Unscored = Guard::Unscored;

// Whether samples are drawn in proportion to a probability that guards can raise.
bool DrawsInProportion(const SamplerSpec& spec) {
  switch (spec.draw.kind) {
    case Draw::Kind::kWithReplacement:
    case Draw::Kind::kSystematic:
      return true;
    case Draw::Kind::kIndependent:
      return spec.preference.kind != Kind::kKeepProbability;
    default:
      return false;
  }
}

absl::Status CheckFloor(const SamplerSpec& spec) {
  const double floor = spec.guard.uniform_floor;
  SUBSET_RETURN_IF_ERROR(
      CheckRange("guard.uniform_floor", floor, floor >= 0 && floor <= 1, "[0, 1]"));
  if (floor > 0 && !DrawsInProportion(spec)) {
    return InvalidField("guard.uniform_floor",
                        absl::StrCat(floor,
                                     " is not 0: a floor needs draw.kind WITH_REPLACEMENT, "
                                     "SYSTEMATIC or INDEPENDENT (which keep_probability sets)"));
  }
  if (spec.guard.floor_by_target && spec.draw.kind != Draw::Kind::kWithReplacement) {
    return InvalidField("guard.floor_by_target", "true needs draw.kind WITH_REPLACEMENT");
  }
  return absl::OkStatus();
}

absl::Status CheckRefresh(const SamplerSpec& spec) {
  const Guard& guard = spec.guard;
  if (guard.refresh == 0) return absl::OkStatus();
  const auto refused = [&](absl::string_view reason) {
    return InvalidField("guard.refresh", absl::StrCat(guard.refresh, " is not 0: ", reason));
  };
  if (!DrawsInProportion(spec)) {
    return refused(
        "a refresh quota needs draw.kind WITH_REPLACEMENT, SYSTEMATIC or INDEPENDENT (which "
        "keep_probability sets)");
  }
  if (!spec.preference.column.empty()) {
    return refused("a column of the dataset, which preference.column names, does not age");
  }
  if (spec.live()) {
    return refused(
        "the stalest samples are those of an epoch's opening, which LIVE and EVERY_N have none of");
  }
  if (!(guard.uniform_floor + guard.refresh <= 1)) {
    return InvalidField("guard.refresh", absl::StrCat(guard.refresh, " with guard.uniform_floor ",
                                                      guard.uniform_floor, " is more than 1"));
  }
  return absl::OkStatus();
}

absl::Status CheckRepeats(const SamplerSpec& spec) {
  const double most = spec.guard.max_repeats;
  if (most == 0) return absl::OkStatus();
  const auto refused = [&](absl::string_view reason) {
    return InvalidField("guard.max_repeats", absl::StrCat(most, reason));
  };
  if (spec.draw.kind != Draw::Kind::kWithReplacement) {
    return refused(" is not 0: a cap on repeats needs draw.kind WITH_REPLACEMENT");
  }
  if (spec.live()) {
    return refused(
        " is not 0: with LIVE and EVERY_N a new score of one sample would move the cap of all");
  }
  const auto floor = spec.schedules.find("guard.uniform_floor");
  if (floor != spec.schedules.end() && floor->second.unit == Schedule::Unit::kSteps) {
    return refused(" is not 0: the cap holds for a whole epoch, guard.uniform_floor changes in it");
  }
  if (!(most >= spec.draw.fraction)) {
    return refused(absl::StrCat(" is below draw.fraction ", spec.draw.fraction,
                                ", the mean number of times a sample is drawn"));
  }
  return absl::OkStatus();
}

absl::Status ResolveUnscored(SamplerSpec* spec) {
  Guard& guard = spec->guard;
  switch (spec->preference.kind) {
    case Kind::kUniform:
    case Kind::kRepeatFactor:
      if (guard.unscored != Unscored::kDefault) {
        return InvalidField("guard.unscored", absl::StrCat("is set, but ",
                                                           spec->preference.kind == Kind::kUniform
                                                               ? "a uniform preference"
                                                               : "repeat_factor",
                                                           " reads no score"));
      }
      break;
    case Kind::kScorePower:
    case Kind::kRank:
    case Kind::kSoftmax:
    case Kind::kRecency:
      if (guard.unscored == Unscored::kDefault) guard.unscored = Unscored::kMean;
      if (guard.unscored == Unscored::kKeep) {
        return InvalidField("guard.unscored",
                            "KEEP is for below_mean_pruning, band, keep_probability and "
                            "self_paced; other kinds take MEAN, MAXIMUM or PRIOR");
      }
      break;
    case Kind::kBelowMeanPruning:
      if (guard.unscored == Unscored::kDefault) guard.unscored = Unscored::kKeep;
      if (guard.unscored != Unscored::kKeep) {
        return InvalidField("guard.unscored",
                            "below_mean_pruning takes KEEP: an unscored sample is never pruned");
      }
      break;
    case Kind::kBand:
    case Kind::kKeepProbability:
    case Kind::kSelfPaced:
      if (guard.unscored == Unscored::kDefault) guard.unscored = Unscored::kKeep;
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

}  // namespace

absl::Status ResolveGuard(SamplerSpec* spec) {
  SUBSET_RETURN_IF_ERROR(CheckFloor(*spec));
  SUBSET_RETURN_IF_ERROR(CheckRefresh(*spec));
  SUBSET_RETURN_IF_ERROR(CheckRepeats(*spec));
  return ResolveUnscored(spec);
}

}  // namespace subset::sampling
