#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/eligible.h"
#include "sampling/resolve.h"

namespace subset::sampling {
namespace {

using Kind = Draw::Kind;

constexpr uint64_t kMaxBlock = uint64_t{1} << 32;

const char* Name(Kind kind) {
  switch (kind) {
    case Kind::kDefault:
      break;
    case Kind::kEpoch:
      return "EPOCH";
    case Kind::kWithReplacement:
      return "WITH_REPLACEMENT";
    case Kind::kSystematic:
      return "SYSTEMATIC";
    case Kind::kIndependent:
      return "INDEPENDENT";
    case Kind::kRounds:
      return "ROUNDS";
    case Kind::kBootstrap:
      return "BOOTSTRAP";
    case Kind::kBlocks:
      return "BLOCKS";
    case Kind::kProvided:
      return "PROVIDED";
  }
  return "KIND_UNSPECIFIED";
}

// Whether what is preferred is a set, whose members are alike.
bool PrefersSet(const Preference& preference) {
  return preference.kind == Preference::Kind::kUniform ||
         preference.kind == Preference::Kind::kBelowMeanPruning ||
         preference.kind == Preference::Kind::kBand ||
         (preference.kind == Preference::Kind::kSelfPaced && !preference.soft);
}

absl::Status CheckPreference(const SamplerSpec& spec) {
  const Preference& preference = spec.preference;
  const bool uniform = preference.kind == Preference::Kind::kUniform;
  const bool pruning = preference.kind == Preference::Kind::kBelowMeanPruning;
  const Kind kind = spec.draw.kind;
  const auto refused = [&](absl::string_view reason) {
    return InvalidField("draw.kind", absl::StrCat(Name(kind), " does not go with ",
                                                  Name(preference.kind), ": ", reason));
  };
  if (pruning && kind != Kind::kEpoch) return refused("it draws each kept sample exactly once");
  switch (kind) {
    case Kind::kEpoch:
      if (PrefersSet(preference) || spec.repeats()) break;
      return refused("only WITH_REPLACEMENT, SYSTEMATIC and INDEPENDENT draw in proportion to it");
    case Kind::kRounds:
    case Kind::kBootstrap:
    case Kind::kBlocks:
    case Kind::kProvided:
      if (!uniform) return refused("it has no use for a preference");
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

// What a draw that settles the shares itself is called; null for others.
const char* SettlesShares(const SamplerSpec& spec) {
  switch (spec.draw.kind) {
    case Kind::kEpoch:
      return spec.repeats() ? "EPOCH by repeat_factor" : nullptr;
    case Kind::kRounds:
      return "ROUNDS";
    case Kind::kBlocks:
      return "BLOCKS";
    case Kind::kProvided:
      return "PROVIDED";
    case Kind::kIndependent:
      return spec.preference.kind == Preference::Kind::kKeepProbability
                 ? "INDEPENDENT by keep_probability"
                 : nullptr;
    case Kind::kBootstrap:
      return spec.draw.bootstrap == Draw::BootstrapForm::kBayesian ? "BOOTSTRAP of form BAYESIAN"
                                                                   : nullptr;
    default:
      return nullptr;
  }
}

absl::Status CheckProportion(const SamplerSpec& spec) {
  const Kind kind = spec.draw.kind;
  const char* settles = SettlesShares(spec);
  if (settles != nullptr && !spec.proportion.as_in_the_data()) {
    return InvalidField("proportion.kind",
                        absl::StrCat("does not go with draw.kind ", settles,
                                     ", whose shares follow from what it draws: only NATURAL, by "
                                     "count, does"));
  }
  if (kind == Kind::kBootstrap && spec.proportion.adaptive()) {
    return InvalidField("proportion.kind",
                        "is learned from feedback, but BOOTSTRAP draws the same bag in every "
                        "epoch");
  }
  return absl::OkStatus();
}

absl::Status CheckEligible(const SamplerSpec& spec) {
  if (spec.draw.kind == Kind::kProvided && !spec.eligible.all.empty()) {
    return InvalidField("eligible", "is set, but PROVIDED draws what is handed in");
  }
  if (spec.draw.kind == Kind::kBootstrap && FilterReadsScores(spec)) {
    return InvalidField("eligible",
                        "tests a reported score, but BOOTSTRAP draws the same bag in every epoch");
  }
  return absl::OkStatus();
}

absl::Status CheckFraction(const SamplerSpec& spec) {
  const double fraction = spec.draw.fraction;
  SUBSET_RETURN_IF_ERROR(
      CheckRange("draw.fraction", fraction, fraction > 0 && fraction <= 1, "(0, 1]"));
  if (fraction == 1) return absl::OkStatus();
  const char* sets_length = nullptr;
  if (spec.preference.kind == Preference::Kind::kBelowMeanPruning) {
    sets_length = "below_mean_pruning sets";
  } else if (spec.repeats()) {
    sets_length = "the repeat factors set";
  } else if (spec.draw.kind == Kind::kIndependent &&
             spec.preference.kind == Preference::Kind::kKeepProbability) {
    sets_length = "the keep probabilities set";
  } else if (spec.draw.kind == Kind::kProvided) {
    sets_length = "what is handed in sets";
  } else if (spec.draw.kind == Kind::kBootstrap &&
             spec.draw.bootstrap == Draw::BootstrapForm::kBayesian) {
    sets_length = "a BAYESIAN bag holds every sample, which sets";
  }
  if (sets_length == nullptr) return absl::OkStatus();
  return InvalidField("draw.fraction", absl::StrCat(fraction, " is not 1: ", sets_length,
                                                    " the length of an epoch"));
}

// What is fixed over a run by the draw itself.
absl::Status CheckScheduled(const SamplerSpec& spec) {
  const bool bootstrap = spec.draw.kind == Kind::kBootstrap;
  for (const auto& [path, schedule] : spec.schedules) {
    const bool length = path == "draw.fraction" && (bootstrap || spec.draw.kind == Kind::kRounds);
    const bool members =
        bootstrap && (absl::StartsWith(path, "eligible.") || absl::StartsWith(path, "proportion."));
    if (!length && !members) continue;
    return InvalidField(absl::StrCat("schedules[", path, "]"),
                        bootstrap ? "changes what BOOTSTRAP draws, the same bag in every epoch"
                                  : "changes the length of ROUNDS, slices of one length");
  }
  return absl::OkStatus();
}

// Fields of kinds that were not chosen.
absl::Status CheckUnused(const Draw& draw) {
  const auto unused = [&](absl::string_view field, absl::string_view kind) {
    return InvalidField(field,
                        absl::StrCat("is set, but draw.kind ", Name(draw.kind), " is not ", kind));
  };
  if (draw.jittered && draw.kind != Kind::kWithReplacement) {
    return unused("draw.jittered", "WITH_REPLACEMENT");
  }
  if (draw.kind != Kind::kBootstrap &&
      (draw.bag != 0 || draw.bootstrap != Draw::BootstrapForm::kMultinomial)) {
    return unused("draw.bootstrap", "BOOTSTRAP");
  }
  if (draw.kind != Kind::kBlocks &&
      (!draw.block_column.empty() || draw.block_length != 0 || draw.block_gap != 0 ||
       draw.blocks != Draw::BlockForm::kFixed)) {
    return unused("draw.blocks", "BLOCKS");
  }
  return absl::OkStatus();
}

absl::Status CheckBlocks(const Draw& draw) {
  if (draw.kind != Kind::kBlocks) return absl::OkStatus();
  if (draw.block_column.empty()) {
    return InvalidField("draw.blocks.column", "is empty: BLOCKS needs the column of the time");
  }
  SUBSET_RETURN_IF_ERROR(ValidateName("draw.blocks.column", draw.block_column));
  if (draw.block_length < 1 || draw.block_length > kMaxBlock) {
    return InvalidField("draw.blocks.length",
                        absl::StrCat(draw.block_length, " is outside [1, ", kMaxBlock, "]"));
  }
  if (draw.block_gap > kMaxBlock) {
    return InvalidField("draw.blocks.gap",
                        absl::StrCat(draw.block_gap, " is outside [0, ", kMaxBlock, "]"));
  }
  if (draw.block_gap > 0 && draw.blocks != Draw::BlockForm::kFixed) {
    return InvalidField(
        "draw.blocks.gap",
        absl::StrCat(draw.block_gap, " is not 0: only FIXED blocks have gaps between them"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveDraw(SamplerSpec* spec) {
  Draw& draw = spec->draw;
  if (draw.kind == Kind::kDefault) {
    const Preference::Kind preference = spec->preference.kind;
    draw.kind = preference == Preference::Kind::kUniform ||
                        preference == Preference::Kind::kBelowMeanPruning ||
                        preference == Preference::Kind::kRepeatFactor
                    ? Kind::kEpoch
                    : Kind::kWithReplacement;
  }
  if (draw.fraction == 0) draw.fraction = 1;
  SUBSET_RETURN_IF_ERROR(CheckUnused(draw));
  SUBSET_RETURN_IF_ERROR(CheckBlocks(draw));
  SUBSET_RETURN_IF_ERROR(CheckPreference(*spec));
  SUBSET_RETURN_IF_ERROR(CheckProportion(*spec));
  SUBSET_RETURN_IF_ERROR(CheckEligible(*spec));
  SUBSET_RETURN_IF_ERROR(CheckScheduled(*spec));
  return CheckFraction(*spec);
}

}  // namespace subset::sampling
