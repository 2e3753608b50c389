#include "sampling/spec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {
namespace {

// What no plan can be built from yet.
absl::Status CheckBuilt(const SamplerSpec& spec) {
  using Kind = Preference::Kind;
  if (!spec.eligible.all.empty()) return InvalidField("eligible", "is not known to this version");
  if (spec.proportion.kind > Proportion::Kind::kEqual || spec.proportion.within != nullptr) {
    return InvalidField("proportion.kind", "is not known to this version");
  }
  if (spec.preference.kind > Kind::kBelowMeanPruning || !spec.preference.column.empty() ||
      !spec.preference.irreducible.empty()) {
    return InvalidField("preference", "is not known to this version");
  }
  if (spec.draw.kind > Draw::Kind::kWithReplacement) {
    return InvalidField("draw.kind", "is not known to this version");
  }
  if (!spec.schedules.empty()) return InvalidField("schedules", "is not known to this version");
  return absl::OkStatus();
}

// Comparisons are written so that NaN fails them.
absl::Status CheckRange(absl::string_view field, double value, bool inside,
                        absl::string_view range) {
  if (inside) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value, " is outside ", range));
}

absl::Status ResolveProportion(SamplerSpec* spec) {
  const Proportion& proportion = spec->proportion;
  if (proportion.column.empty()) {
    if (proportion.kind == Proportion::Kind::kEqual) {
      return InvalidField("proportion.column", "is empty: EQUAL needs the column of its strata");
    }
    return absl::OkStatus();
  }
  return ValidateName("proportion.column", proportion.column);
}

// Fields of the kinds that were not chosen go back to their defaults.
absl::Status ResolvePreference(SamplerSpec* spec) {
  const Preference given = spec->preference;
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

absl::Status ResolveDraw(SamplerSpec* spec) {
  Draw& draw = spec->draw;
  const Preference::Kind preference = spec->preference.kind;
  const bool power = preference == Preference::Kind::kScorePower;
  if (draw.kind == Draw::Kind::kDefault) {
    draw.kind = power ? Draw::Kind::kWithReplacement : Draw::Kind::kEpoch;
  }
  if (power && draw.kind == Draw::Kind::kEpoch) {
    return InvalidField("draw.kind",
                        "EPOCH does not go with score_power: only WITH_REPLACEMENT draws in "
                        "proportion to it");
  }
  const bool pruning = preference == Preference::Kind::kBelowMeanPruning;
  if (pruning && draw.kind == Draw::Kind::kWithReplacement) {
    return InvalidField("draw.kind",
                        "WITH_REPLACEMENT does not go with below_mean_pruning: it draws each kept "
                        "sample exactly once");
  }
  if (draw.fraction == 0) draw.fraction = 1;
  SUBSET_RETURN_IF_ERROR(CheckRange("draw.fraction", draw.fraction,
                                    draw.fraction > 0 && draw.fraction <= 1, "(0, 1]"));
  if (pruning && draw.fraction != 1) {
    return InvalidField("draw.fraction", absl::StrCat(draw.fraction,
                                                      " is not 1: below_mean_pruning sets the "
                                                      "length of an epoch"));
  }
  return absl::OkStatus();
}

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

absl::Status ResolveWeight(SamplerSpec* spec) {
  Weight& weight = spec->weight;
  if (weight.target == Weight::Target::kDefault) {
    weight.target = spec->proportion.kind == Proportion::Kind::kEqual ? Weight::Target::kBalanced
                                                                      : Weight::Target::kNatural;
  }
  SUBSET_RETURN_IF_ERROR(
      CheckRange("weight.beta", weight.beta, weight.beta >= 0 && weight.beta <= 1, "[0, 1]"));
  if (weight.target == Weight::Target::kNone && weight.beta != 1) {
    return InvalidField("weight.beta", absl::StrCat(weight.beta,
                                                    " is not 1, but weight.target NONE leaves no "
                                                    "weight to temper"));
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

absl::Status ResolveSnapshot(SamplerSpec* spec) {
  if (spec->snapshot != Snapshot::kLive) return absl::OkStatus();
  if (spec->draw.kind != Draw::Kind::kWithReplacement) {
    return InvalidField("snapshot", "LIVE needs draw.kind WITH_REPLACEMENT");
  }
  if (!spec->score_driven()) {
    return InvalidField("snapshot", "LIVE needs a preference that reads scores");
  }
  return absl::OkStatus();
}

// fraction * n, with a product next to a whole number taken for it.
double Product(double fraction, uint64_t n, bool* whole) {
  const double product = fraction * static_cast<double>(n);
  const double nearest = std::round(product);
  *whole = std::abs(product - nearest) <= 1e-9 * std::max(1.0, product);
  return *whole ? nearest : product;
}

}  // namespace

absl::Status ResolveSpec(SamplerSpec* spec) {
  SUBSET_RETURN_IF_ERROR(CheckBuilt(*spec));
  SamplerSpec resolved = *spec;
  SUBSET_RETURN_IF_ERROR(ResolveProportion(&resolved));
  SUBSET_RETURN_IF_ERROR(ResolvePreference(&resolved));
  SUBSET_RETURN_IF_ERROR(ResolveDraw(&resolved));
  SUBSET_RETURN_IF_ERROR(ResolveGuard(&resolved));
  SUBSET_RETURN_IF_ERROR(ResolveWeight(&resolved));
  SUBSET_RETURN_IF_ERROR(ResolveSnapshot(&resolved));
  *spec = std::move(resolved);
  return absl::OkStatus();
}

std::set<std::string> SamplerSpec::ScoreColumns() const {
  std::set<std::string> names;
  for (const Predicate& predicate : eligible.all) {
    if (predicate.column.empty()) names.insert(predicate.score);
  }
  if (preference.kind != Preference::Kind::kUniform && preference.column.empty()) {
    names.insert(preference.score);
  }
  return names;
}

std::set<std::string> SamplerSpec::DatasetColumns() const {
  std::set<std::string> names = {preference.column, preference.irreducible, draw.block_column};
  for (const Predicate& predicate : eligible.all) {
    names.insert({predicate.column, predicate.within});
  }
  for (const Proportion* level = &proportion; level != nullptr; level = level->within.get()) {
    names.insert({level->column, level->size_column});
  }
  names.erase("");
  return names;
}

SamplerSpec SpecAt(const SamplerSpec& spec, uint64_t, uint64_t) { return spec; }

uint64_t FloorFraction(double fraction, uint64_t n) {
  bool whole;
  const double product = Product(fraction, n, &whole);
  return static_cast<uint64_t>(whole ? product : std::floor(product));
}

uint64_t CeilFraction(double fraction, uint64_t n) {
  bool whole;
  const double product = Product(fraction, n, &whole);
  return static_cast<uint64_t>(whole ? product : std::ceil(product));
}

}  // namespace subset::sampling
