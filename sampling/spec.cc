#include "sampling/spec.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/status_macros.h"
#include "sampling/resolve.h"
#include "sampling/spec_numbers.h"

namespace subset::sampling {
namespace {

constexpr uint32_t kMaxSnapshotEvery = 1024;

absl::Status ResolveSnapshot(SamplerSpec* spec) {
  const uint32_t every = spec->snapshot_every;
  if (spec->snapshot == Snapshot::kEveryN) {
    SUBSET_RETURN_IF_ERROR(
        CheckRange("snapshot_every", every, every >= 1 && every <= kMaxSnapshotEvery, "[1, 1024]"));
  } else if (every != 0) {
    return InvalidField("snapshot_every", absl::StrCat(every, " is not 0: it is for EVERY_N only"));
  }
  if (!spec->live()) return absl::OkStatus();
  const auto refused = [spec](absl::string_view reason) {
    const absl::string_view name = spec->snapshot == Snapshot::kLive ? "LIVE" : "EVERY_N";
    return InvalidField("snapshot", absl::StrCat(name, " ", reason));
  };
  if (spec->draw.kind != Draw::Kind::kWithReplacement) {
    return refused("needs draw.kind WITH_REPLACEMENT");
  }
  const Preference& preference = spec->preference;
  if (preference.kind == Preference::Kind::kUniform || !preference.column.empty()) {
    return refused("needs a preference that reads scores of the run");
  }
  if (preference.kind != Preference::Kind::kScorePower) {
    return refused(
        "needs preference score_power: ranks, sets and sums of other kinds are those of an "
        "epoch's opening");
  }
  for (const Predicate& predicate : spec->eligible.all) {
    if (!predicate.column.empty()) continue;
    return refused(
        "does not go with a filter by a reported score, which is that of an epoch's opening");
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

absl::Status ResolveChoices(SamplerSpec* spec) {
  SUBSET_RETURN_IF_ERROR(ResolveEligible(spec));
  SUBSET_RETURN_IF_ERROR(ResolveProportion(spec));
  SUBSET_RETURN_IF_ERROR(ResolvePreference(spec));
  SUBSET_RETURN_IF_ERROR(ResolveSelect(spec));
  SUBSET_RETURN_IF_ERROR(ResolveDraw(spec));
  SUBSET_RETURN_IF_ERROR(ResolveGuard(spec));
  SUBSET_RETURN_IF_ERROR(ResolveWeight(spec));
  return ResolveSnapshot(spec);
}

}  // namespace

absl::Status ResolveSpec(SamplerSpec* spec) {
  SUBSET_RETURN_IF_ERROR(CheckSchedules(*spec));
  SamplerSpec resolved = *spec;
  SetScheduledNumbers(&resolved);
  SUBSET_RETURN_IF_ERROR(ResolveChoices(&resolved));
  SUBSET_RETURN_IF_ERROR(CheckNumbers(resolved));
  SUBSET_RETURN_IF_ERROR(CheckAlongSchedules(resolved, ResolveChoices));
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
  // A refresh quota that follows a schedule may start at 0.
  if (guard.refresh > 0 || schedules.count("guard.refresh") > 0) {
    names.insert({preference.score, StepColumn(preference.score)});
  }
  if (proportion.adaptive()) names.insert("loss");
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

std::string StepColumn(const std::string& score) { return score + ".step"; }

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
