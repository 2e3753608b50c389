#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/resolve.h"

namespace subset::sampling {
namespace {

using Kind = Proportion::Kind;

constexpr size_t kMaxShares = 65536;

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kNatural:
      return "NATURAL";
    case Kind::kEqual:
      return "EQUAL";
    case Kind::kTemperature:
      return "TEMPERATURE";
    case Kind::kEffectiveNumber:
      return "EFFECTIVE_NUMBER";
    case Kind::kExplicit:
      return "EXPLICIT";
    case Kind::kUnimax:
      return "UNIMAX";
    case Kind::kGroupDro:
      return "GROUP_DRO";
    case Kind::kDoremi:
      return "DOREMI";
    case Kind::kOdm:
      return "ODM";
  }
  return "";
}

// Explicit shares sum to one, unless schedules move some: then to anything, and are normalised.
absl::Status CheckShares(const SamplerSpec& spec, const std::string& path,
                         const Proportion& proportion) {
  const std::string field = path + ".shares";
  if (proportion.shares.empty() || proportion.shares.size() > kMaxShares) {
    return InvalidField(field, absl::StrCat("has ", proportion.shares.size(),
                                            " entries, which is outside [1, ", kMaxShares, "]"));
  }
  double sum = 0;
  for (const auto& [value, share] : proportion.shares) sum += share;
  bool moved = false;
  for (const auto& [number, schedule] : spec.schedules) {
    moved |= absl::StartsWith(number, field + "[");
  }
  if (moved ? sum > 0 : std::abs(sum - 1) <= 1e-6) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("sum to ", sum, ", not to 1 within 1e-6"));
}

absl::Status CheckLevel(const SamplerSpec& spec, const std::string& path, const Proportion& level) {
  if (level.column.empty()) {
    return InvalidField(path + ".column", absl::StrCat("is empty: ", Name(level.kind),
                                                       " needs the column of its ", "strata"));
  }
  SUBSET_RETURN_IF_ERROR(ValidateName(path + ".column", level.column));
  if (level.kind == Kind::kExplicit) {
    SUBSET_RETURN_IF_ERROR(CheckShares(spec, path, level));
  }
  if (level.size_column.empty()) return absl::OkStatus();
  SUBSET_RETURN_IF_ERROR(ValidateName(path + ".size_column", level.size_column));
  if (level.kind == Kind::kEqual || level.kind == Kind::kExplicit || level.adaptive()) {
    return InvalidField(path + ".size_column", absl::StrCat("does not go with ", Name(level.kind),
                                                            ": its shares do not depend on sizes"));
  }
  return absl::OkStatus();
}

absl::Status CheckWithin(const SamplerSpec& spec, const Proportion& within) {
  const std::string path = "proportion.within";
  if (within.kind > Kind::kExplicit) {
    return InvalidField(path + ".kind", absl::StrCat(Name(within.kind),
                                                     " is not one of NATURAL, EQUAL, TEMPERATURE, "
                                                     "EFFECTIVE_NUMBER, EXPLICIT"));
  }
  if (within.within != nullptr) {
    return InvalidField(path + ".within", "is set: strata nest once");
  }
  if (within.exact_quotas) {
    return InvalidField(path + ".exact_quotas", "is set: it belongs to the outer proportion");
  }
  if (within.column == spec.proportion.column) {
    return InvalidField(path + ".column",
                        absl::StrCat("\"", within.column, "\" is the column of the outer strata"));
  }
  return CheckLevel(spec, path, within);
}

// Exact quotas fix the stratum of each position beforehand.
absl::Status CheckQuotas(const SamplerSpec& spec) {
  const std::string field = "proportion.exact_quotas";
  switch (spec.draw.kind) {
    case Draw::Kind::kDefault:
    case Draw::Kind::kEpoch:
    case Draw::Kind::kWithReplacement:
      break;
    default:
      return InvalidField(field,
                          "goes with draw.kind EPOCH and WITH_REPLACEMENT only: others fix their "
                          "sets by themselves");
  }
  if (spec.preference.kind == Preference::Kind::kBelowMeanPruning) {
    return InvalidField(field,
                        "does not go with below_mean_pruning, which draws each kept sample "
                        "exactly once");
  }
  if (spec.preference.kind == Preference::Kind::kRepeatFactor &&
      spec.draw.kind != Draw::Kind::kWithReplacement) {
    return InvalidField(field,
                        "does not go with repeat_factor, by which EPOCH draws each sample as often "
                        "as its labels ask for");
  }
  if (spec.draw.jittered) {
    return InvalidField(field, "does not go with draw.jittered, which spreads a batch over strata");
  }
  if (spec.guard.floor_by_target) {
    return InvalidField(field, "does not go with guard.floor_by_target, which moves shares");
  }
  return absl::OkStatus();
}

// Fields of the kinds that were not chosen go back to their defaults.
void SetDefaults(Proportion* proportion) {
  const Kind kind = proportion->kind;
  const Proportion unset;
  if (kind != Kind::kTemperature) proportion->temperature = unset.temperature;
  if (kind != Kind::kEffectiveNumber) {
    proportion->effective_beta = unset.effective_beta;
    proportion->effective_by_stratum = unset.effective_by_stratum;
  }
  if (kind != Kind::kExplicit) proportion->shares.clear();
  if (kind != Kind::kUnimax) proportion->max_epochs = unset.max_epochs;
  if (kind != Kind::kGroupDro) proportion->adjustment = unset.adjustment;
  if (kind != Kind::kDoremi) proportion->epsilon = unset.epsilon;
  if (kind == Kind::kGroupDro && proportion->eta == 0) proportion->eta = 0.01;
  if (kind == Kind::kDoremi && proportion->eta == 0) proportion->eta = 1;
  if (kind == Kind::kDoremi && proportion->epsilon == 0) proportion->epsilon = 0.001;
  if (kind != Kind::kGroupDro && kind != Kind::kDoremi) proportion->eta = unset.eta;
}

}  // namespace

absl::Status ResolveProportion(SamplerSpec* spec) {
  Proportion& proportion = spec->proportion;
  SetDefaults(&proportion);
  const bool plain = proportion.kind == Kind::kNatural && proportion.within == nullptr &&
                     proportion.size_column.empty() && !proportion.exact_quotas;
  if (plain && proportion.column.empty()) return absl::OkStatus();
  SUBSET_RETURN_IF_ERROR(CheckLevel(*spec, "proportion", proportion));
  if (proportion.within != nullptr) {
    SUBSET_RETURN_IF_ERROR(CheckWithin(*spec, *proportion.within));
  }
  return proportion.exact_quotas ? CheckQuotas(*spec) : absl::OkStatus();
}

}  // namespace subset::sampling
