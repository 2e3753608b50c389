#include "sampling/spec_numbers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace subset::sampling {
namespace {

constexpr size_t kMaxSchedules = 32;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr Interval kAny = {-kInfinity, kInfinity};  // but NaN
constexpr Interval kFinite = {-kInfinity, kInfinity, true, true};
constexpr Interval kBelowOne = {0, 1, false, true};         // [0, 1)
constexpr Interval kPositive = {0, kInfinity, true, true};  // (0, infinity)
constexpr Interval kNotNegative = {0, kInfinity, false, true};
constexpr Interval kRate = {0, 1000, true};
constexpr Interval kFromOne = {1, kInfinity, false, true};

using Numbers = std::vector<SpecNumber>;

void Add(Numbers* numbers, std::string path, double* value, Interval range,
         bool every_step = false) {
  numbers->push_back({std::move(path), value, range, every_step});
}

void AddEligible(Eligible* eligible, Numbers* numbers) {
  for (size_t i = 0; i < eligible->all.size(); ++i) {
    Predicate& predicate = eligible->all[i];
    const std::string path = absl::StrCat("eligible.all[", i, "]");
    if (predicate.kind == Predicate::Kind::kRange) {
      Add(numbers, path + ".range.minimum", &predicate.minimum, kAny);
      Add(numbers, path + ".range.maximum", &predicate.maximum, kAny);
    } else if (predicate.kind == Predicate::Kind::kQuantile) {
      Add(numbers, path + ".quantile.low", &predicate.low, kBelowOne);
      Add(numbers, path + ".quantile.high", &predicate.high, kFraction);
    } else {
      continue;
    }
    Add(numbers, path + ".minimum_keep", &predicate.minimum_keep, kUnit);
  }
}

void AddProportion(const std::string& path, Proportion* proportion, Numbers* numbers) {
  using Kind = Proportion::Kind;
  switch (proportion->kind) {
    case Kind::kTemperature:
      Add(numbers, path + ".temperature", &proportion->temperature, kPositive);
      break;
    case Kind::kEffectiveNumber:
      Add(numbers, path + ".effective_beta", &proportion->effective_beta, kUnit);
      break;
    case Kind::kExplicit:
      for (auto& [value, share] : proportion->shares) {
        Add(numbers, absl::StrCat(path, ".shares[", value, "]"), &share, kUnit);
      }
      break;
    case Kind::kUnimax:
      Add(numbers, path + ".max_epochs", &proportion->max_epochs, kFromOne);
      break;
    case Kind::kGroupDro:
      Add(numbers, path + ".eta", &proportion->eta, kRate);
      Add(numbers, path + ".adjustment", &proportion->adjustment, {0, 1e6});
      break;
    case Kind::kDoremi:
      Add(numbers, path + ".eta", &proportion->eta, kRate);
      Add(numbers, path + ".epsilon", &proportion->epsilon, kUnit);
      break;
    case Kind::kNatural:
    case Kind::kEqual:
    case Kind::kOdm:
      break;
  }
}

void AddPreference(Preference* preference, Numbers* numbers) {
  using Kind = Preference::Kind;
  switch (preference->kind) {
    case Kind::kUniform:
      break;
    case Kind::kScorePower:
      Add(numbers, "preference.score_power.alpha", &preference->alpha, kExponent);
      break;
    case Kind::kBelowMeanPruning:
      Add(numbers, "preference.below_mean_pruning.ratio", &preference->ratio, {0, 1, true, true});
      Add(numbers, "preference.below_mean_pruning.delta", &preference->delta, kFraction);
      break;
    case Kind::kRank:
      if (preference->law == Preference::Law::kPower) {
        Add(numbers, "preference.rank.alpha", &preference->alpha, kExponent);
      } else {
        Add(numbers, "preference.rank.pressure", &preference->pressure, kFromOne);
      }
      break;
    case Kind::kSoftmax:
      Add(numbers, "preference.softmax.temperature", &preference->temperature, kPositive);
      break;
    case Kind::kBand:
      Add(numbers, "preference.band.skip", &preference->skip, kBelowOne);
      Add(numbers, "preference.band.keep", &preference->keep, kFraction);
      break;
    case Kind::kKeepProbability:
      Add(numbers, "preference.keep_probability.beta", &preference->beta, kExponent);
      Add(numbers, "preference.keep_probability.least", &preference->least, kFraction);
      break;
    case Kind::kSelfPaced:
      Add(numbers, "preference.self_paced.threshold", &preference->threshold, kPositive);
      break;
    case Kind::kRecency:
      Add(numbers, "preference.recency.half_life", &preference->half_life, kPositive);
      if (preference->now.has_value()) {
        Add(numbers, "preference.recency.now", &*preference->now, kFinite);
      }
      break;
    case Kind::kRepeatFactor:
      Add(numbers, "preference.repeat_factor.threshold", &preference->threshold, kFraction);
      break;
  }
}

void AddGuard(Guard* guard, Numbers* numbers) {
  Add(numbers, "guard.uniform_floor", &guard->uniform_floor, kUnit, /*every_step=*/true);
  Add(numbers, "guard.unscored_prior", &guard->unscored_prior, kNotNegative);
  Add(numbers, "guard.refresh", &guard->refresh, kBelowOne);
  Add(numbers, "guard.stale_fraction", &guard->stale_fraction, kFraction);
  Add(numbers, "guard.max_repeats", &guard->max_repeats, kNotNegative);
}

void AddSelect(SelectRule* rule, Numbers* numbers) {
  using Kind = SelectRule::Kind;
  if (rule->counts() || rule->kind == Kind::kKeepFraction) {
    Add(numbers, "select.keep", &rule->keep, kFraction);
  }
  if (rule->kind == Kind::kTopAndUniform) {
    Add(numbers, "select.uniform_share", &rule->uniform_share, {0, 1, true, true});
  } else if (rule->kind == Kind::kProportional) {
    Add(numbers, "select.alpha", &rule->alpha, kExponent);
    Add(numbers, "select.floor", &rule->floor, kUnit);
  } else if (rule->kind == Kind::kKeepProbability) {
    Add(numbers, "select.beta", &rule->beta, kExponent);
    Add(numbers, "select.least", &rule->least, kUnit);
  }
}

std::string Bound(double value) {
  if (value == kInfinity) return "infinity";
  if (value == -kInfinity) return "-infinity";
  return absl::StrCat(value);
}

}  // namespace

std::string Interval::Text() const {
  return absl::StrCat(low_open ? "(" : "[", Bound(low), ", ", Bound(high), high_open ? ")" : "]");
}

absl::Status CheckRange(absl::string_view field, double value, const Interval& range) {
  if (range.Contains(value)) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value, " is outside ", range.Text()));
}

std::vector<SpecNumber> SpecNumbers(SamplerSpec* spec) {
  Numbers numbers;
  AddEligible(&spec->eligible, &numbers);
  AddProportion("proportion", &spec->proportion, &numbers);
  if (spec->proportion.within != nullptr) {
    const auto within = std::make_shared<Proportion>(*spec->proportion.within);
    AddProportion("proportion.within", within.get(), &numbers);
    spec->proportion.within = within;
  }
  AddPreference(&spec->preference, &numbers);
  Add(&numbers, "draw.fraction", &spec->draw.fraction, kFraction);
  AddGuard(&spec->guard, &numbers);
  Add(&numbers, "weight.beta", &spec->weight.beta, kUnit, /*every_step=*/true);
  Add(&numbers, "weight.clip", &spec->weight.clip, kNotNegative);
  if (spec->select.has_value()) AddSelect(&*spec->select, &numbers);
  return numbers;
}

absl::Status CheckNumbers(const SamplerSpec& spec) {
  SamplerSpec copy = spec;
  for (const SpecNumber& number : SpecNumbers(&copy)) {
    SUBSET_RETURN_IF_ERROR(CheckRange(number.path, *number.value, number.range));
  }
  return absl::OkStatus();
}

absl::Status CheckSchedules(const SamplerSpec& spec) {
  if (spec.schedules.size() > kMaxSchedules) {
    return InvalidField("schedules", absl::StrCat("has ", spec.schedules.size(),
                                                  " entries, which is more than ", kMaxSchedules));
  }
  SamplerSpec copy = spec;
  const std::vector<SpecNumber> numbers = SpecNumbers(&copy);
  for (const auto& [path, schedule] : spec.schedules) {
    const std::string field = absl::StrCat("schedules[", path.substr(0, 64), "]");
    const auto number =
        std::find_if(numbers.begin(), numbers.end(),
                     [&path = path](const SpecNumber& known) { return known.path == path; });
    if (number == numbers.end()) {
      std::vector<absl::string_view> known;
      for (const SpecNumber& candidate : numbers) known.push_back(candidate.path);
      return InvalidField(field, UnknownName("number of this spec", path, known));
    }
    SUBSET_RETURN_IF_ERROR(CheckSchedule(field, schedule));
    for (size_t i = 0; i < schedule.points.size(); ++i) {
      const double value = schedule.points[i].value;
      if (number->range.Contains(value)) continue;
      return InvalidField(
          field, absl::StrCat("point ", i, ": ", value, " is outside ", number->range.Text()));
    }
  }
  return absl::OkStatus();
}

}  // namespace subset::sampling
