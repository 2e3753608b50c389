#include "sampling/resolve.h"

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/status_macros.h"

namespace subset::sampling {

absl::Status ResolveDraw(SamplerSpec* spec) {
  Draw& draw = spec->draw;
  if (draw.kind > Draw::Kind::kWithReplacement) {
    return InvalidField("draw.kind", "is not known to this version");
  }
  const Preference::Kind preference = spec->preference.kind;
  const bool pruning = preference == Preference::Kind::kBelowMeanPruning;
  if (draw.kind == Draw::Kind::kDefault) {
    draw.kind = preference == Preference::Kind::kUniform || pruning ? Draw::Kind::kEpoch
                                                                    : Draw::Kind::kWithReplacement;
  }
  const bool chooses = preference == Preference::Kind::kBand ||
                       (preference == Preference::Kind::kSelfPaced && !spec->preference.soft);
  if (draw.kind == Draw::Kind::kEpoch && preference != Preference::Kind::kUniform && !pruning &&
      !chooses) {
    return InvalidField(
        "draw.kind",
        absl::StrCat("EPOCH does not go with ",
                     preference == Preference::Kind::kScorePower ? "score_power"
                                                                 : "a preference that is no set",
                     ": only WITH_REPLACEMENT draws in proportion to it"));
  }
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

}  // namespace subset::sampling
