#include "sampling/resolve.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {

using Kind = Preference::Kind;

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kUniform:
      return "uniform";
    case Kind::kScorePower:
      return "score_power";
    case Kind::kBelowMeanPruning:
      return "below_mean_pruning";
    case Kind::kRank:
      return "rank";
    case Kind::kSoftmax:
      return "softmax";
    case Kind::kBand:
      return "band";
    case Kind::kKeepProbability:
      return "keep_probability";
    case Kind::kSelfPaced:
      return "self_paced";
    case Kind::kRecency:
      return "recency";
    case Kind::kRepeatFactor:
      return "repeat_factor";
  }
  return "";
}

namespace {

// What is subtracted from it.
absl::Status ResolveIrreducible(const Preference& given, Preference* resolved) {
  resolved->irreducible = given.irreducible;
  if (given.irreducible.empty()) {
    if (given.missing_irreducible == Preference::MissingIrreducible::kUseScore) {
      return absl::OkStatus();
    }
    return InvalidField("preference.missing_irreducible",
                        "is set, but preference.irreducible names no column");
  }
  resolved->missing_irreducible = given.missing_irreducible;
  if (given.kind == Kind::kRecency) {
    return InvalidField("preference.irreducible",
                        "is set, but recency reads times: nothing of them is irreducible");
  }
  if (given.kind == Kind::kRepeatFactor) {
    return InvalidField(
        "preference.irreducible",
        "is set, but repeat_factor reads label sets: nothing of them is irreducible");
  }
  return ValidateName("preference.irreducible", given.irreducible);
}

// Where the score comes from.
absl::Status ResolveSource(const SamplerSpec& spec, const Preference& given, Preference* resolved) {
  if (given.kind == Kind::kUniform) {
    if (!given.column.empty()) {
      return InvalidField("preference.column", "is set, but a uniform preference reads no score");
    }
    if (spec.select.has_value() || spec.proportion.kind == Proportion::Kind::kDoremi) {
      return ResolveIrreducible(given, resolved);
    }
    if (given.irreducible.empty()) return absl::OkStatus();
    return InvalidField("preference.irreducible",
                        "is set, but nothing reads a score: a uniform preference, no select, "
                        "shares that are not DOREMI's");
  }
  resolved->column = given.column;
  if (!given.column.empty()) {
    SUBSET_RETURN_IF_ERROR(ValidateName("preference.column", given.column));
  } else if (given.kind == Kind::kRecency) {
    return InvalidField("preference.column", "is empty: recency needs the column of the time");
  } else if (given.kind == Kind::kRepeatFactor) {
    return InvalidField("preference.column",
                        "is empty: repeat_factor needs the column of the label sets");
  } else {
    if (!given.score.empty()) resolved->score = given.score;
    SUBSET_RETURN_IF_ERROR(
        ValidateName(absl::StrCat("preference.", Name(given.kind), ".score"), resolved->score));
  }
  return ResolveIrreducible(given, resolved);
}

absl::Status CheckPruning(const SamplerSpec& spec) {
  const uint32_t epochs = spec.preference.total_epochs;
  SUBSET_RETURN_IF_ERROR(CheckRange("preference.below_mean_pruning.total_epochs", epochs,
                                    epochs >= 1 && epochs < (1u << 31), "[1, 2147483648)"));
  if (!spec.proportion.as_in_the_data()) {
    return InvalidField(
        "proportion.kind",
        spec.proportion.kind == Proportion::Kind::kEqual
            ? "EQUAL does not go with below_mean_pruning: it draws each kept sample exactly once, "
              "so shares follow from what is kept"
            : "does not go with below_mean_pruning, which draws each kept sample exactly once, so "
              "that shares follow from what is kept: only NATURAL, by count, does");
  }
  return absl::OkStatus();
}

}  // namespace

// Fields of the kinds that were not chosen go back to their defaults.
absl::Status ResolvePreference(SamplerSpec* spec) {
  const Preference given = spec->preference;
  Preference& resolved = spec->preference;
  resolved = Preference{};
  resolved.kind = given.kind;
  SUBSET_RETURN_IF_ERROR(ResolveSource(*spec, given, &resolved));
  using P = Preference;
  const auto keep = [&](auto... fields) { CopyFields(given, &resolved, fields...); };
  switch (given.kind) {
    case Kind::kUniform:
      break;
    case Kind::kScorePower:
      keep(&P::alpha);
      break;
    case Kind::kBelowMeanPruning:
      keep(&P::ratio, &P::delta, &P::total_epochs, &P::scale, &P::per_stratum);
      break;
    case Kind::kRank:
      keep(&P::law);
      given.law == Preference::Law::kPower ? keep(&P::alpha) : keep(&P::pressure);
      break;
    case Kind::kSoftmax:
      keep(&P::temperature);
      break;
    case Kind::kBand:
      keep(&P::smallest, &P::skip, &P::keep, &P::per_stratum);
      break;
    case Kind::kKeepProbability:
      keep(&P::beta, &P::least);
      break;
    case Kind::kSelfPaced:
      keep(&P::threshold, &P::soft);
      break;
    case Kind::kRecency:
      keep(&P::half_life, &P::now);
      break;
    case Kind::kRepeatFactor:
      resolved.threshold = given.threshold;
      break;
  }
  if (resolved.per_stratum && spec->proportion.column.empty()) {
    return InvalidField(absl::StrCat("preference.", Name(given.kind), ".per_stratum"),
                        "true needs proportion.column, which is empty");
  }
  if (given.kind == Kind::kBelowMeanPruning) return CheckPruning(*spec);
  const bool chooses = given.kind == Kind::kBand || given.kind == Kind::kSelfPaced;
  const double fraction = spec->draw.fraction;
  if (chooses && spec->draw.kind == Draw::Kind::kEpoch && fraction != 0 && fraction != 1) {
    return InvalidField("draw.fraction",
                        absl::StrCat(fraction, " is not 1: what ", Name(given.kind),
                                     " chooses sets the length of an epoch"));
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
