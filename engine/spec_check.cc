#include "engine/spec_check.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/error.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "base/thread_executor.h"
#include "sampling/eligible.h"
#include "sampling/population.h"
#include "sampling/presets.h"
#include "sampling/repeat_factor.h"
#include "sampling/strata.h"

namespace subset {
namespace {

// Names fields of the definition as the client gave it.
class Paths {
 public:
  explicit Paths(const DefinedBy& defined_by) : by_(defined_by) {}
  std::string operator()(absl::string_view path) const {
    if (by_.preset.empty()) return absl::StrCat("spec.", path);
    return sampling::PresetColumnField(by_.preset, path, by_.column_given);
  }
  // Of a number, which a preset has under a name of its own.
  std::string Number(absl::string_view path, absl::string_view parameter) const {
    if (by_.preset.empty()) return absl::StrCat("spec.", path);
    return absl::StrCat("preset.parameters[", parameter, "]");
  }

 private:
  const DefinedBy& by_;
};

// What a column is used as.
enum class Use { kNumber, kInteger, kStrata, kLabelSets };

bool Fits(v1::ColumnType type, Use use) {
  const bool sets = type == v1::COLUMN_TYPE_LABEL_SET;
  if (use == Use::kLabelSets) return sets;
  return use == Use::kNumber ? !sets : IsIntegerColumn(type);
}

const char* Needed(Use use) {
  switch (use) {
    case Use::kNumber:
      return "a number per sample";
    case Use::kInteger:
    case Use::kStrata:
      return "an integer type";
    case Use::kLabelSets:
      return "COLUMN_TYPE_LABEL_SET";
  }
  return "";
}

absl::Status WrongType(const Dataset& dataset, const std::string& field, const v1::Column& column,
                       Use use) {
  std::vector<std::string> fitting;
  for (const auto& [name, other] : dataset.columns) {
    if (Fits(other->column().type(), use)) fitting.push_back(name);
  }
  std::string message =
      absl::StrCat("\"", column.name(), "\" is of type ", v1::ColumnType_Name(column.type()), "; ",
                   Needed(use), " is needed");
  if (!fitting.empty()) {
    absl::StrAppend(&message, ", as of \"", NearestName(column.name(), fitting), "\"");
  }
  return InvalidField(field, message);
}

absl::Status CheckColumn(const Dataset& dataset, const std::string& field, const std::string& name,
                         Use use) {
  if (name.empty()) return absl::OkStatus();
  const auto stored = dataset.RequireColumn(name);
  if (!stored.ok()) return WithField(stored.status(), field);
  const v1::Column& column = (*stored)->column();
  if (!Fits(column.type(), use)) return WrongType(dataset, field, column, use);
  if (use == Use::kStrata && column.distinct_values() > sampling::kMaxStrata) {
    return InvalidField(field, absl::StrCat("\"", name, "\" has more than ", sampling::kMaxStrata,
                                            " distinct values: too many for strata"));
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const Dataset& dataset, const std::string& field, const std::string& name) {
  if (name.empty()) return absl::OkStatus();
  SUBSET_ASSIGN_OR_RETURN(const auto column, dataset.RequireColumn(name));
  absl::Status status;
  sampling::ForEachChunk(column->view(), dataset.num_samples(), [&](uint64_t first, auto values) {
    if (!status.ok()) return;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= 0) continue;  // NaN is no size either
      status = InvalidField(field, absl::StrCat("\"", name, "\" is ", values[i], " at sample ",
                                                first + i, ": a size is at least 0"));
      return;
    }
  });
  return status;
}

absl::Status CheckShares(const Dataset& dataset, const std::string& field,
                         const sampling::Proportion& proportion) {
  if (proportion.kind != sampling::Proportion::Kind::kExplicit) return absl::OkStatus();
  SUBSET_ASSIGN_OR_RETURN(const auto column, dataset.RequireColumn(proportion.column));
  SUBSET_ASSIGN_OR_RETURN(const auto strata, column->Strata());
  for (const int64_t value : strata->values) {
    if (proportion.shares.count(value) > 0) continue;
    return InvalidField(
        field, absl::StrCat("misses ", value, ", a value of column \"", proportion.column, "\""));
  }
  for (const auto& [value, share] : proportion.shares) {
    if (std::binary_search(strata->values.begin(), strata->values.end(), value)) continue;
    return InvalidField(field, absl::StrCat("names ", value, ", which is no value of column \"",
                                            proportion.column, "\""));
  }
  return absl::OkStatus();
}

// That an epoch over `samples` has a slot, as it is when training starts.
absl::Status CheckLength(const sampling::SamplerSpec& spec, uint64_t samples, const Paths& path) {
  if (spec.draw.kind == sampling::Draw::Kind::kBlocks) return absl::OkStatus();  // rounded up
  const double fraction = sampling::SpecAt(spec, 0, 0).draw.fraction;
  if (sampling::FloorFraction(fraction, samples) > 0) return absl::OkStatus();
  return InvalidField(path.Number("draw.fraction", "fraction"),
                      absl::StrCat(fraction, " of ", samples, " samples is no slot: at least ",
                                   1. / static_cast<double>(samples), " is needed"));
}

absl::Status CheckRepeats(sampling::PlanInput input, const Paths& path) {
  input.spec.proportion = {};  // strata have no say in it
  SUBSET_ASSIGN_OR_RETURN(const sampling::Population population, sampling::BuildPopulation(input));
  const std::vector<double> repeats = sampling::RepeatFactors(input, population);
  const double sum = std::accumulate(repeats.begin(), repeats.end(), 0.0);
  const uint64_t most = sampling::MostRepeated(population.size());
  if (sum <= static_cast<double>(most)) return absl::OkStatus();
  return InvalidField(
      path.Number("preference.repeat_factor.threshold", "threshold"),
      absl::StrCat(input.spec.preference.threshold, " makes an epoch of ", sum, " positions over ",
                   population.size(), " eligible samples, which is more than ", most));
}

}  // namespace

absl::Status CheckColumns(const sampling::SamplerSpec& spec, const Dataset& dataset,
                          const DefinedBy& defined_by) {
  const Paths path(defined_by);
  for (size_t i = 0; i < spec.eligible.all.size(); ++i) {
    const sampling::Predicate& predicate = spec.eligible.all[i];
    const Use use = predicate.by_labels()  ? Use::kLabelSets
                    : predicate.by_range() ? Use::kNumber
                                           : Use::kInteger;
    const std::string at = absl::StrCat("eligible.all[", i, "]");
    SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path(at + ".column"), predicate.column, use));
    SUBSET_RETURN_IF_ERROR(
        CheckColumn(dataset, path(at + ".within"), predicate.within, Use::kStrata));
  }
  std::string at = "proportion";
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path(at + ".column"), level->column, Use::kStrata));
    SUBSET_RETURN_IF_ERROR(
        CheckColumn(dataset, path(at + ".size_column"), level->size_column, Use::kNumber));
    at += ".within";
  }
  const bool repeats = spec.preference.kind == sampling::Preference::Kind::kRepeatFactor;
  SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path("preference.column"), spec.preference.column,
                                     repeats ? Use::kLabelSets : Use::kNumber));
  SUBSET_RETURN_IF_ERROR(CheckColumn(dataset, path("preference.irreducible"),
                                     spec.preference.irreducible, Use::kNumber));
  SUBSET_RETURN_IF_ERROR(
      CheckColumn(dataset, path("draw.blocks.column"), spec.draw.block_column, Use::kNumber));
  const uint64_t n = dataset.num_samples();
  SUBSET_RETURN_IF_ERROR(CheckLength(spec, n, path));
  if (spec.draw.kind != sampling::Draw::Kind::kBlocks) return absl::OkStatus();
  if (spec.draw.block_length > n) {
    return InvalidField(path.Number("draw.blocks.length", "length"),
                        absl::StrCat(spec.draw.block_length, " is outside [1, ", n, "]"));
  }
  if (spec.draw.block_gap >= n) {
    return InvalidField(path.Number("draw.blocks.gap", "gap"),
                        absl::StrCat(spec.draw.block_gap, " is outside [0, ", n, ")"));
  }
  return absl::OkStatus();
}

bool NeedsValues(const sampling::SamplerSpec& spec) {
  if (spec.repeats()) return true;
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    if (!level->size_column.empty()) return true;
    if (level->kind == sampling::Proportion::Kind::kExplicit) return true;
  }
  return sampling::HasFilter(spec);
}

absl::Status CheckValues(const sampling::SamplerSpec& spec, const Dataset& dataset,
                         const DefinedBy& defined_by) {
  const Paths path(defined_by);
  std::string at = "proportion";
  for (const auto* level = &spec.proportion; level != nullptr; level = level->within.get()) {
    SUBSET_RETURN_IF_ERROR(CheckSizes(dataset, path(at + ".size_column"), level->size_column));
    SUBSET_RETURN_IF_ERROR(CheckShares(dataset, path(at + ".shares"), *level));
    at += ".within";
  }
  if (sampling::FilterReadsScores(spec)) return absl::OkStatus();
  // As it is when training starts; a schedule may take more away later.
  sampling::PlanInput input;
  input.spec = sampling::SpecAt(spec, 0, 0);
  input.num_samples = dataset.num_samples();
  input.executor = &AllThreads();
  SUBSET_ASSIGN_OR_RETURN(const PinnedColumns columns, dataset.Pin(spec.DatasetColumns()));
  input.columns = ViewsOf(columns);
  if (sampling::HasFilter(spec)) {
    SUBSET_ASSIGN_OR_RETURN(const sampling::SampleSet eligible, sampling::EligibleSamples(input));
    const uint64_t left = eligible.Count();
    if (left == 0) {
      return InvalidField(path("eligible"),
                          absl::StrCat("leaves none of the ", dataset.num_samples(), " samples"));
    }
    SUBSET_RETURN_IF_ERROR(CheckLength(spec, left, path));
  }
  return spec.repeats() ? CheckRepeats(std::move(input), path) : absl::OkStatus();
}

}  // namespace subset
